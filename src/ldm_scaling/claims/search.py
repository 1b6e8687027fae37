"""The claim on adaptive guidance searches, replayed on cells of every scale."""

from __future__ import annotations

import numpy as np

from ..jobs.tables import OK
from ..tables.searches import AIM, totals
from .evidence import Evidence, NotRun
from .guidance import GUIDANCE
from .statement import Claim, Statistic

_DRAWS = 2000


def _adaptive_search_reaches_its_aim(evidence: Evidence) -> Statistic:
    searches = evidence.replayed()
    count, successes, share = totals(searches)
    if not count:
        raise NotRun("no search found anything")
    # searches of a model are alike: a Bayesian bootstrap of models (Rubin 1981)
    of_models = searches[searches["status"] == OK].groupby(["stage", "size"])
    generator = np.random.default_rng(evidence.spec.seed)
    weights = generator.exponential(size=(_DRAWS, of_models.ngroups))
    if share > AIM.images:
        drawn = weights @ of_models[["images", "grid_images"]].sum().to_numpy(float)
        return AIM.images - np.array([share, *drawn[:, 0] / drawn[:, 1]])
    # With one search a model, and half a success and half a miss more, it is the Jeffreys interval
    # of a share (Brown, Cai and DasGupta 2001, section 3.1), which has a width where nothing was
    # missed.
    found = of_models["success"]
    outcomes = np.stack([found.sum(), found.count() - found.sum()])
    drawn = weights @ outcomes.T + generator.gamma(0.5, size=(_DRAWS, 2))
    return np.array([successes / count, *drawn[:, 0] / drawn.sum(axis=1)]) - AIM.success


CLAIMS = [
    Claim(
        "adaptive-search-reaches-its-aim",
        GUIDANCE,
        "this project",
        f"With at most {AIM.images:.0%} of the images an adaptive search finds a guidance that the"
        " whole grid does not tell from its best one",
        "share of searches whose paired interval of the regret against the grid's best contains 0,"
        f" less {AIM.success:.2g}; or, if they sample more, the share of images by which they do",
        "search_cost",
        _adaptive_search_reaches_its_aim,
    ),
]
