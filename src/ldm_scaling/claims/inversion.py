"""Claims on noise that was made for a score: preference inversion (arXiv 2404.00879) and ReNO.

Noise is made for the study's own score. A judge that chose nothing says what it is worth, beside
the best of several images of the same student at the same total cost.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np
import pandas as pd

from ..jobs.tables import records
from ..kinds.candidates import BEST_OF
from ..kinds.noises import ASCENT, FITTED, NONE, kind
from ..kinds.stages import DISTILL
from ..study.metrics import JUDGE
from ..tables.curves import Curve
from ..tables.values import Values
from .evidence import ALIGNMENT, Evidence, NotRun
from .statement import Claim, Every, Some, Statistic

_TOPIC, _SOURCE = "Inverted noise", "Preference inversion (arXiv 2404.00879)"
_FIGURE, _AXIS = "inversion", "total_cost"
_SAME = 1 + 1e-9
"""costs closer than this are one"""


def _candidates(evidence: Evidence, metric: str, made: Values, size: str) -> Values:
    """The best of several images of a student of one step, few first, of the seeds of made noise.

    Raises NotRun if they are at another guidance scale than its images of made noise.
    """
    values = evidence.kept(metric, evidence.seeds_of_made)
    rows = values.rows
    own = (rows["stage"] == DISTILL) & (rows["method"] == BEST_OF)
    own = values.where(own & (rows["size"] == size) & (rows["steps"] == 1))
    if own.rows.empty:
        raise NotRun(f"the student of {size} makes no candidates at 1 step")
    scale = made.rows.loc[made.rows["size"] == size, "guidance"].iloc[0]
    if set(own.rows["guidance"]) != {scale}:
        raise NotRun(f"candidates of {size} are not at guidance {scale:g}, as its made noise is")
    return own


def _beat_candidates(evidence: Evidence, noises: Collection[str]) -> Statistic:
    values = evidence.made(JUDGE)
    rows, every = values.rows, []
    for size in rows["size"].unique():
        rivals = _candidates(evidence, JUDGE, values, size)
        curve = Curve(size, rivals.rows[_AXIS].to_numpy(float), rivals.draws)
        own = values.where((rows["size"] == size) & rows["noise"].map(kind).isin(noises))
        if own.rows.empty:
            raise NotRun("no such noise was made")
        own = own.where(own.rows[_AXIS] <= curve.end * _SAME)
        if own.rows.empty:
            raise NotRun(f"no candidates of {size} cost as much")
        costs = [max(row.total_cost, curve.start) for row in records(own.rows)]
        pairs = zip(costs, own.draws, strict=True)
        every.append(Some([draws - curve.within(cost) for cost, draws in pairs]))
    return Every(every)


def _gains(evidence: Evidence, metric: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Gains over unit noise, in standard deviations between candidates of the same image."""
    values = evidence.made(metric)
    rows, found = values.rows, np.empty_like(values.draws)
    for size in rows["size"].unique():
        own = (rows["size"] == size).to_numpy()
        unit = values.draws[own & (rows["noise"] == NONE).to_numpy()][0]
        spread = _candidates(evidence, metric, values, size).rows["spread"].iloc[0]
        found[own] = (values.draws[own] - unit) / spread
    return rows, found


def _score_gains_more(evidence: Evidence) -> Statistic:
    rows, looked = _gains(evidence, ALIGNMENT)
    excess = looked - _gains(evidence, JUDGE)[1]
    groups = rows[rows["noise"] != NONE].groupby("size", sort=False).groups
    of_sizes = [list(members) for members in groups.values()]
    return Every([own[at].mean(axis=0) for own in (looked, excess) for at in of_sizes])


CLAIMS = [
    Claim(
        "inversion-beats-as-many-candidates",
        _TOPIC,
        _SOURCE,
        "A fitted distribution of the initial noise is worth more than as many candidates: at every"
        " size it is better than the best of several images at the same total cost, though the cost"
        " of fitting it is not counted",
        "judge's score of the better distribution, of all captions or for each, less that of the"
        " best of as many images as its cost pays for, each size",
        _FIGURE,
        partial(_beat_candidates, noises=tuple(FITTED)),
    ),
    Claim(
        "ascent-beats-as-many-candidates",
        _TOPIC,
        "ReNO (arXiv 2406.04312)",
        "Gradient ascent on the noise of each image is worth more than as many candidates, at every"
        " size",
        "judge's score after the best number of gradient steps that cost no more than the most"
        " candidates, less that of the best of as many images as these cost, each size",
        _FIGURE,
        partial(_beat_candidates, noises=(ASCENT,)),
    ),
    Claim(
        "inversion-gains-more-under-its-own-score",
        _TOPIC,
        _SOURCE,
        "What made noise gains under the score that it is made for is more than under an"
        " independent judge, at every size",
        "gain over unit noise, in standard deviations between candidates of an image, under the"
        " score, and that less the gain under the judge, each of the two; mean over all made"
        " noises, each size",
        _FIGURE,
        _score_gains_more,
    ),
]
