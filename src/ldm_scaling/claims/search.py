"""The claim on adaptive guidance searches, replayed on cells of every scale."""

from __future__ import annotations

import numpy as np

from ..tables.searches import AIM, totals
from .evidence import Evidence, NotRun
from .guidance import GUIDANCE
from .statement import Claim, Statistic

_DRAWS = 2000


def _adaptive_search_reaches_its_aim(evidence: Evidence) -> Statistic:
    count, successes, share = totals(evidence.replayed())
    if not count:
        raise NotRun("no search found anything")
    if share > AIM.images:
        return AIM.images - share
    # a share of few misses has no resamples: draws are of its Jeffreys interval (Brown, Cai and
    # DasGupta 2001, section 3.1), as if searches were independent
    generator = np.random.default_rng(evidence.spec.seed)
    draws = generator.beta(successes + 0.5, count - successes + 0.5, _DRAWS)
    return np.array([successes / count, *draws]) - AIM.success


CLAIMS = [
    Claim(
        "adaptive-search-reaches-its-aim",
        GUIDANCE,
        "this project",
        f"An adaptive search finds as good a guidance with at most {AIM.images:.0%} of the images",
        "share of searches whose paired interval of the regret against the grid's best contains 0,"
        f" less {AIM.success:.2g}; or, if they sample more, the share of images by which they do",
        "search_cost",
        _adaptive_search_reaches_its_aim,
    ),
]
