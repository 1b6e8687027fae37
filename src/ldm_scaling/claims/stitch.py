"""Claims on stitched trajectories: T-Stitch (Pan et al., arXiv 2402.14167).

Each trajectory is compared at its own cost with what single sizes give within it, all at their best
guidance, with the same prompts and noise.
"""

from __future__ import annotations

import numpy as np

from ..jobs.tables import records
from ..kinds.sizes import SEPARATOR
from ..kinds.stages import STITCH
from ..tables.stitch import rivals
from .evidence import Evidence, NotRun, log
from .statement import Claim, Every, Some, Statistic

_TOPIC, _SOURCE, _FIGURE = "Stitched trajectories", "T-Stitch (arXiv 2402.14167)", "stitch_vs_cost"
_AXIS = "sampling_cost"


def _beats_every_size(evidence: Evidence) -> Statistic:
    points = evidence.trajectories()
    singles = evidence.best(points.rows["sampler"].iloc[0], beside=STITCH)
    ways = []
    for row, draws in zip(records(points.rows), points.draws, strict=True):
        within = rivals(singles, _AXIS, getattr(row, _AXIS))
        if row.rising and len(within) and np.isfinite(draws[0]):  # one that failed beats none
            ways.append(Every(log(within) - log(draws)))
    if not ways:
        raise NotRun("no size that is stitched to a larger one shares a budget with a single size")
    return Some(ways)


def _reversed(text: str) -> str:
    return SEPARATOR.join(reversed(text.split(SEPARATOR)))


def _small_goes_first(evidence: Evidence) -> Statistic:
    points = evidence.trajectories()
    names = zip(points.rows["sizes"], points.rows["allocation"], strict=True)
    of = dict(zip(names, points.draws, strict=True))
    gains = [
        log(of[_reversed(row.sizes), _reversed(row.allocation)]) - log(draws)
        for row, draws in zip(records(points.rows), points.draws, strict=True)
        if row.rising and (_reversed(row.sizes), _reversed(row.allocation)) in of
    ]
    if not gains:
        raise NotRun("no sizes were stitched in both orders")
    return np.mean(gains, axis=0)


CLAIMS = [
    Claim(
        "stitch-beats-every-size-at-some-budget",
        _TOPIC,
        _SOURCE,
        "At some budget a small size that begins and a larger one that ends are better than every"
        " single size",
        "log ratio of a single size's metric within the trajectory's cost to the trajectory's,"
        " every size and step count, the best of all trajectories",
        _FIGURE,
        _beats_every_size,
    ),
    Claim(
        "stitch-wants-the-small-size-first",
        _TOPIC,
        _SOURCE,
        "At equal cost it is better on average that the small size begins than that the large one"
        " does",
        "log ratio of the metric with the large size first to that with the small one first, each"
        " with as many steps, mean over sizes and allocations",
        _FIGURE,
        _small_goes_first,
    ),
]
