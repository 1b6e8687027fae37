"""Quality against cost, between the step counts that were sampled: linear in the log of the cost.

Nothing is extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tables.values import Values

_SAME = 1 + 1e-9
"""costs closer than this are one"""


@dataclass(frozen=True)
class Curve:
    """The quality of one size at rising costs."""

    size: str
    costs: np.ndarray
    """[K]"""
    draws: np.ndarray
    """[K, 1 + R]"""

    @property
    def start(self) -> float:
        """The lowest cost."""
        return float(self.costs[0])

    @property
    def end(self) -> float:
        """The highest cost."""
        return float(self.costs[-1])

    def covers(self, cost: float) -> bool:
        """Whether the cost lies between those that were sampled."""
        return self.start <= cost * _SAME and cost <= self.end * _SAME

    def at(self, cost: float) -> np.ndarray:
        """The draws [1 + R] at a cost. Raises ValueError if the curve does not cover it."""
        if not self.covers(cost):
            raise ValueError(f"cost {cost:g} is not within {self.start:g} and {self.end:g}")
        places = np.log(self.costs)
        x = np.clip(np.log(cost), places[0], places[-1])
        above = int(np.clip(np.searchsorted(places, x), 1, len(places) - 1))
        share = (x - places[above - 1]) / (places[above] - places[above - 1])
        return (1 - share) * self.draws[above - 1] + share * self.draws[above]

    def within(self, budget: float) -> np.ndarray:
        """The draws [1 + R] at a budget, or at the curve's end if it ends below."""
        return self.at(min(budget, self.end))


def common(*found: Curve) -> tuple[float, float] | None:
    """The range of costs that curves share, or None if it is no longer than a point."""
    low, high = max(curve.start for curve in found), min(curve.end for curve in found)
    return (low, high) if high > low * _SAME else None


def curves(best: Values, cost: str) -> list[Curve]:
    """The curve of each size that has two costs, smallest size first.

    `best` has a row for each size and step count, in order of parameters; `cost` is a column. Of
    two step counts that cost the same, the better one counts.
    """
    found = []
    for size, rows in best.rows.groupby("size", sort=False):
        order = np.lexsort((best.draws[rows.index, 0], rows[cost]))
        costs, first = np.unique(rows[cost].to_numpy(float)[order], return_index=True)
        if len(costs) > 1:
            found.append(Curve(str(size), costs, best.draws[rows.index[order[first]]]))
    return found
