"""A metric against what an image costs, at the best guidance: curves, their envelope, crossovers.

The command writes where each size overtakes each smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ..jobs.choice import OK
from ..jobs.command import command
from ..jobs.tables import to_csv
from ..jobs.workdir import write_text
from ..kinds.metrics import sign
from .arguments import Confidence, Out, SeveralCells
from .values import Values, interval, with_intervals

AXES = ["sampling_cost", "guided_cost", "total_cost", "seconds"]
"""columns of cells that say what an image costs"""
CROSSES = "crosses"
LARGER_AHEAD = "larger ahead throughout"
SMALLER_AHEAD = "smaller ahead throughout"
SMALLER_OVERTAKES = "smaller overtakes"
APART = "no shared range"
CROSSOVERS = ["sampler", "axis", "metric", "small", "large", "cost", "lo", "hi"]
CROSSOVERS += ["range_lo", "range_hi", "status", "n"]


_SAME = 1 + 1e-9
"""costs closer than this are one"""


@dataclass(frozen=True, eq=False)
class Curve:
    """One size's metric against cost: straight in the log of the cost, and nowhere beyond it."""

    size: str
    costs: np.ndarray
    """[k], rising"""
    draws: np.ndarray
    """[k, 1 + R], as those of Values"""

    @property
    def start(self) -> float:
        """The lowest cost."""
        return float(self.costs[0])

    @property
    def end(self) -> float:
        """The highest cost."""
        return float(self.costs[-1])

    def at(self, cost: float) -> np.ndarray:
        """The draws [1 + R] at a cost. Raises ValueError if it is not between start and end."""
        if not self.start <= cost * _SAME or not cost <= self.end * _SAME:
            raise ValueError(f"cost {cost:g} is not within {self.start:g} and {self.end:g}")
        if len(self.costs) == 1:
            return self.draws[0]
        places = np.log(self.costs)
        x = np.clip(np.log(cost), places[0], places[-1])
        after = max(int(np.searchsorted(places, x)), 1)
        share = (x - places[after - 1]) / (places[after] - places[after - 1])
        return (1 - share) * self.draws[after - 1] + share * self.draws[after]

    def within(self, budget: float) -> np.ndarray:
        """The draws [1 + R] at a budget, or at the curve's end if it ends below."""
        return self.at(min(budget, self.end))

    def up_to(self, budget: float) -> np.ndarray:
        """The draws [k, 1 + R] `within` a budget, and of every measured point that is cheaper."""
        cheaper = self.costs * _SAME < min(budget, self.end)
        return np.concatenate([self.draws[cheaper], self.within(budget)[None]])


def common(*curves: Curve) -> tuple[float, float] | None:
    """The range of costs that curves share, or None if it is no longer than a point."""
    low, high = max(curve.start for curve in curves), min(curve.end for curve in curves)
    return (low, high) if high > low * _SAME else None


def best_points(cells: Values, confidence: float) -> Values:
    """The measured points of all curves: each (stage, size, sampler, steps) at its best guidance.

    Cells are averaged over training seeds first. In the rows, value, lo and hi are those of the
    draws, `at_boundary` says that the scale is at an end of the grid, and `status` is not "ok"
    where no scale has a value.
    """
    best = cells.over_seeds(confidence).at_best_guidance()
    return Values(with_intervals(best, confidence), best.draws)


def sizes_of(points: Values) -> list[str]:
    """Sizes, those with fewer parameters first."""
    return list(points.rows.sort_values("params", kind="stable")["size"].unique())


def curve_of(points: Values, size: str, axis: str) -> Curve:
    """A size's curve; of points that cost the same the best, and failed ones left out."""
    own = points.where((points.rows["size"] == size) & np.isfinite(points.draws[:, 0]))
    costs, which = np.unique(own.rows[axis].to_numpy(float), return_inverse=True)
    draws = np.full((len(costs), points.draws.shape[1]), np.inf)
    better = sign(points.metric)
    np.minimum.at(draws, which, better * own.draws)
    return Curve(size, costs, better * draws)


def envelope(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The best that any size gives within a cost: columns cost, value and size.

    `rows` are those of `best_points`. One row for each measured point that is better than all
    cheaper ones; its value holds until the next.
    """
    own = rows[rows["status"] == OK]
    own = own.assign(badness=own["value"] * own["metric"].map(sign).astype(int))
    own = own.sort_values([axis, "badness"], kind="stable")
    better = own["badness"] < own["badness"].cummin().shift(fill_value=np.inf)
    return own.loc[better, [axis, "value", "size"]].set_axis(["cost", "value", "size"], axis=1)


def overtaking(
    small: Curve, large: Curve, better: int = 1
) -> tuple[str, np.ndarray, tuple[float, float]]:
    """Where the larger size overtakes the smaller for good, within the costs that both cover.

    `better` is the metric's `sign`. Returns what the values do, the cost of overtaking [1 + R] of
    each draw, and the covered range. A draw in which the larger is ahead all over has the low end
    of the range, and one in which it is not ahead at the high end has that end.
    """
    ends = [np.nan, np.nan]
    if len(small.costs) and len(large.costs):
        ends = [max(small.costs[0], large.costs[0]), min(small.costs[-1], large.costs[-1])]
    low, high = ends
    if not low <= high:
        return APART, np.full(small.draws.shape[1], np.nan), (np.nan, np.nan)
    costs = np.union1d(small.costs, large.costs)
    costs = costs[(low <= costs) & (costs <= high)]
    gap = better * np.array([large.at(cost) - small.at(cost) for cost in costs])
    behind = gap >= 0
    last = len(costs) - 1 - behind[::-1].argmax(axis=0)  # where the larger is behind at last
    following = np.minimum(last + 1, len(costs) - 1)
    draw = np.arange(gap.shape[1])
    drop = gap[last, draw] - gap[following, draw]
    share = np.divide(gap[last, draw], drop, out=np.zeros(len(draw)), where=following > last)
    crossing = costs[last] * (costs[following] / costs[last]) ** share
    crossing = np.where(behind.any(axis=0), crossing, low)
    return _status(behind[:, 0]), crossing, (low, high)


def _status(behind: np.ndarray) -> str:
    if not behind.any():
        return LARGER_AHEAD
    if not behind[-1]:
        return CROSSES
    return SMALLER_AHEAD if behind.all() else SMALLER_OVERTAKES


def crossovers(points: Values, axis: str, confidence: float) -> pd.DataFrame:
    """One row for each pair of sizes, smaller first, in the columns `CROSSOVERS`.

    `points` are those of `best_points`, of one stage, sampler and metric. `cost` is empty unless
    the larger size overtakes; lo and hi are there whenever the two have a range of costs in common.
    """
    first, sizes = points.rows.iloc[0], sizes_of(points)
    curves = {size: curve_of(points, size, axis) for size in sizes}
    pairs = [(curves[small], curves[large]) for small, large in combinations(sizes, 2)]
    rows = [crossing_row(first, axis, *pair, confidence) for pair in pairs]
    return pd.DataFrame(rows, columns=CROSSOVERS)


def crossing_row(
    first: pd.Series, axis: str, small: Curve, large: Curve, confidence: float, back: bool = False
) -> tuple:
    """Where the larger overtakes, and with `back` where the smaller does, as in `CROSSOVERS`.

    `first` is a row of the sampler and metric.
    """
    better = sign(first["metric"])
    status, crossing, (low, high) = overtaking(small, large, better)
    back = back and status == SMALLER_OVERTAKES
    if back:
        _, crossing, _ = overtaking(large, small, better)
    cost, lo, hi = interval(crossing, confidence)
    cost = cost if back or status == CROSSES else np.nan
    head = (first["sampler"], axis, first["metric"], small.size, large.size)
    return (*head, cost, lo, hi, low, high, status, first["n"])


@command
def main(cells: SeveralCells, confidence: Confidence, out: Out) -> None:
    """Write crossovers.csv, of the cells of each sampler."""
    points = [best_points(own, confidence) for own in cells]
    tables = [crossovers(own, axis, confidence) for own in points for axis in AXES]
    found = pd.concat(tables, ignore_index=True)
    write_text(out, to_csv(found))
    print(f"{len(found)} pairs of sizes; the larger overtakes in {(found.status == CROSSES).sum()}")
