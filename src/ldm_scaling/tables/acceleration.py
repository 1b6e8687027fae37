"""How many steps of its teacher a student is worth at the few steps where students are compared.

Writes one row a size. Both are at their best guidance, which a student is told. The acceleration is
the number of undistilled steps that give the student's value, over the student's own steps.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.tables import OK, records, to_csv
from ..jobs.workdir import write_text
from ..kinds.metrics import sign
from ..study.distill import FEW_STEPS
from .arguments import CellsBesideStudents, Confidence, Out
from .curves import Curve, best_points, curve_of, sizes_of
from .values import Values, interval

BEYOND, BELOW, FAILED = "beyond the grid", "below the grid", "failed"
ACCELERATION = ["size", "params", "metric", "steps", "guidance", "value", "lo", "hi"]
ACCELERATION += ["undistilled", "undistilled_lo", "undistilled_hi", "gain", "gain_lo", "gain_hi"]
ACCELERATION += ["acceleration", "acceleration_lo", "acceleration_hi", "status", "n"]


def steps_to_reach(curve: Curve, target: np.ndarray, better: int = 1) -> np.ndarray:
    """The fewest steps [1 + R] at which a curve over steps is as good as the target [1 + R].

    `better` is the metric's `sign`. Between measured step counts the curve is straight in the log
    of the steps. A draw in which it never is so good has inf, and one in which it is better from
    the start 0.
    """
    values, target = better * curve.draws, better * target
    reached = values <= target
    first, draw = reached.argmax(axis=0), np.arange(len(target))
    before = np.maximum(first - 1, 0)
    high, low = values[before, draw], values[first, draw]
    share = np.divide(high - target, high - low, out=np.ones(len(draw)), where=high > low)
    steps = curve.costs[before] * (curve.costs[first] / curve.costs[before]) ** share
    steps = np.where(values[0] < target, 0, steps)
    return np.where(reached.any(axis=0), steps, np.inf)


def at_steps(points: Values, size: str, steps: int) -> np.ndarray:
    """The draws [1 + R] of a size at a step count; nan where it was not sampled so, or failed."""
    own = points.rows[(points.rows["size"] == size) & (points.rows["steps"] == steps)]
    return points.draws[own.index[0]] if len(own) else np.full(points.draws.shape[1], np.nan)


def acceleration(students: Values, undistilled: Values, confidence: float) -> pd.DataFrame:
    """One row for each size, in the columns `ACCELERATION`.

    Both are those of `best_points`. `gain` is the log ratio of the undistilled value at the same
    steps to the student's, or the reverse where higher is better. With status "beyond the grid" the
    student is better than its teacher at every step count: the acceleration is at least the one
    given, and its hi is inf. With "below the grid" the student is worse than its teacher at the
    fewest steps: at most the one given, lo 0.
    Raises InputError if no student was sampled at that many steps.
    """
    few = students.where(students.rows["steps"] == FEW_STEPS)
    if few.rows.empty:
        raise InputError(f"no student was sampled at {FEW_STEPS} steps")
    rows = []
    for size in sizes_of(few):
        own, target = few.rows[few.rows["size"] == size].iloc[0], at_steps(few, size, FEW_STEPS)
        teacher = at_steps(undistilled, size, FEW_STEPS)
        with np.errstate(invalid="ignore", divide="ignore"):  # a KID may lie below 0
            gain = sign(few.metric) * (np.log(teacher) - np.log(target))
        curve = curve_of(undistilled, size, "steps")
        row = own[["size", "params", "metric", "steps", "guidance", "value", "lo", "hi", "n"]]
        numbers = [*interval(teacher, confidence), *interval(gain, confidence)]
        found = _accelerated(curve, target, sign(few.metric), confidence)
        rows.append([*row[:-1], *numbers, *found, row["n"]])
    return pd.DataFrame(rows, columns=ACCELERATION)


def _accelerated(
    curve: Curve, target: np.ndarray, better: int, confidence: float
) -> tuple[float, float, float, str]:
    """The acceleration, its lo and hi, and what it is."""
    if not len(curve.costs) or not np.isfinite(target[0]):
        return np.nan, np.nan, np.nan, FAILED
    steps = steps_to_reach(curve, target, better)
    status = BEYOND if np.isinf(steps[0]) else OK if steps[0] else BELOW
    value, lo, hi = interval(np.clip(steps, curve.start, curve.end), confidence)
    lo = 0 if (steps == 0).any() and lo <= curve.start else lo / FEW_STEPS
    hi = np.inf if np.isinf(steps).any() and hi >= curve.end else hi / FEW_STEPS
    return value / FEW_STEPS, lo, hi, status


@command
def main(cells: CellsBesideStudents, confidence: Confidence, out: Out) -> None:
    """Write acceleration.csv, of the cells of undistilled models and those of their students."""
    if len(cells) != 2:
        raise InputError("--cells: twice, of undistilled models and of their students")
    undistilled, students = (best_points(own, confidence) for own in cells)
    table = acceleration(students, undistilled, confidence)
    write_text(out, to_csv(table))
    for row in records(table):
        print(f"{row.size}: {row.acceleration:.3g} times, {row.status}")
