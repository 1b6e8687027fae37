"""Claims on the metrics themselves: whether they rank the sizes alike at each budget."""

from __future__ import annotations

import numpy as np

from ..tables.metric_agreement import direction, ranked, within
from ..workflow.specs.claims import AgreementClaims
from .evidence import ALIGNMENT, QUALITY, Evidence, NotRun
from .sampling import DDIM
from .statement import Claim, Every, Statistic, debiased

METRICS = "Metrics"
_FIGURE = "metric_agreement"
_STATISTIC = (
    "covariance over the sizes at a budget, in units of both metrics' spreads over all budgets and"
    " without what noise that the metrics share adds to it"
)


def _settings(evidence: Evidence) -> AgreementClaims:
    if evidence.spec.agreement is None:
        raise NotRun("metrics are not compared")
    return evidence.spec.agreement


def _at_budgets(evidence: Evidence, kind: str) -> list[np.ndarray]:
    """How much worse than their mean the sizes are at each budget that buys two: [S, 1 + R]."""
    values, selecting = (evidence.measured(own, DDIM) for own in (kind, QUALITY))
    points = values.at_best_guidance(selecting)
    sign, found = direction(points.metric), []
    for budget in _settings(evidence).budgets:
        bought = within(points, budget)
        if len(ranked(bought).rows) < len(bought.rows):
            raise NotRun("all cells of a size failed")
        if len(bought.rows) > 1:
            found.append(sign * (bought.draws - bought.draws.mean(axis=0)))
    if not found:
        raise NotRun("no budget buys two sizes")
    return found


def _alike(ours: list[np.ndarray], theirs: list[np.ndarray]) -> list[np.ndarray]:
    """The statistic at each budget, draws [1 + R]."""
    spreads = [np.sqrt(np.mean([(own[:, 0] ** 2).mean() for own in of])) for of in (ours, theirs)]
    unit = np.prod(spreads) or 1.0  # all sizes alike: whatever the unit, it is 0
    pairs = zip(ours, theirs, strict=True)
    return [debiased((a * b).mean(axis=0) / unit) for a, b in pairs]


def _distances_are_alike(evidence: Evidence) -> Statistic:
    first, *others = (_at_budgets(evidence, name) for name in _settings(evidence).distances)
    return Every(np.array([draws for other in others for draws in _alike(first, other)]))


def _alignment_is_alike(evidence: Evidence) -> Statistic:
    first = _at_budgets(evidence, _settings(evidence).distances[0])
    return Every(np.array(_alike(first, _at_budgets(evidence, ALIGNMENT))))


CLAIMS = [
    Claim(
        "distances-rank-sizes-alike",
        METRICS,
        "this project",
        "FD, FD-infinity and KID rank the sizes alike at every budget",
        f"{_STATISTIC}: of FD and each of the others, every budget",
        _FIGURE,
        _distances_are_alike,
        DDIM,
    ),
    Claim(
        "alignment-ranks-sizes-as-fd-does",
        METRICS,
        "this project",
        "Alignment ranks the sizes as FD does, at every budget",
        f"{_STATISTIC}: of FD and the negative alignment, every budget",
        _FIGURE,
        _alignment_is_alike,
        DDIM,
    ),
]
