"""Claims on the metrics themselves: whether they rank the sizes alike at each budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables.metric_agreement import as_many, gaps, ranked, within
from ..workflow.specs.claims import AgreementClaims
from .evidence import ALIGNMENT, QUALITY, Evidence, NotRun
from .sampling import DDIM
from .statement import Claim, Every, Statistic, opposed

METRICS = "Metrics"
_FIGURE = "metric_agreement"
_TIE = 0.1
"""a difference of two sizes that counts as none, in units of a metric's spread over them"""
_STATISTIC = (
    "a tenth of each metric's spread less by how much a pair of sizes is in opposite order by both,"
    " every pair and budget; and one pair is ordered by both"
)


def _settings(evidence: Evidence) -> AgreementClaims:
    if evidence.spec.agreement is None:
        raise NotRun("metrics are not compared")
    return evidence.spec.agreement


def _at_budgets(evidence: Evidence, kind: str) -> list[np.ndarray]:
    """How much worse the first of each pair of sizes is, at each budget that buys two.

    Draws [pairs, 1 + R] of each budget.
    """
    values, selecting = (evidence.measured(own, DDIM) for own in (kind, QUALITY))
    points = values.at_best_guidance(selecting)
    found = []
    for budget in _settings(evidence).budgets:
        bought = within(points, budget)
        if len(ranked(bought).rows) < len(bought.rows):
            raise NotRun(f"a size has no {bought.metric}: its cells failed, or n is too small")
        if len(bought.rows) > 1:
            found.append(gaps(bought))
    if not found:
        raise NotRun("no budget buys two sizes")
    return found


def _in_spreads(differences: list[np.ndarray]) -> np.ndarray:
    """Differences of all budgets [pairs, 1 + R] in units of their root mean square."""
    every = np.concatenate(differences)
    return every / (np.sqrt((every[:, 0] ** 2).mean()) or 1.0)  # all alike: whatever the unit


def _are_alike(evidence: Evidence, others: Sequence[str]) -> Statistic:
    first, *rest = (
        _in_spreads(_at_budgets(evidence, name))
        for name in (_settings(evidence).distances[0], *others)
    )
    return Every([opposed(*as_many(first, other), _TIE) for other in rest])


def _distances_are_alike(evidence: Evidence) -> Statistic:
    return _are_alike(evidence, _settings(evidence).distances[1:])


def _alignment_is_alike(evidence: Evidence) -> Statistic:
    return _are_alike(evidence, [ALIGNMENT])


CLAIMS = [
    Claim(
        "distances-rank-sizes-alike",
        METRICS,
        "this project",
        "FD-infinity and KID rank the sizes as FD does, at every budget: some pair is ordered by"
        " more than a tenth of the sizes' spread, and none in opposite ways",
        _STATISTIC,
        _FIGURE,
        _distances_are_alike,
        DDIM,
    ),
    Claim(
        "alignment-ranks-sizes-as-fd-does",
        METRICS,
        "this project",
        "Alignment ranks the sizes as FD does, at every budget: some pair is ordered by more than a"
        " tenth of the sizes' spread, and none in opposite ways",
        _STATISTIC,
        _FIGURE,
        _alignment_is_alike,
        DDIM,
    ),
]
