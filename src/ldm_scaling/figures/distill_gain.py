"""What distillation gains at each size: quality after few steps, and the steps that it saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..jobs.tables import records
from ..kinds.stages import PRETRAIN
from ..study.distill import FEW_STEPS
from ..tables.acceleration import BELOW, BEYOND, FAILED, acceleration
from ..tables.arguments import CellsBesideStudents, Confidence, Floors
from . import quality_curves, style
from .quality_curves import Quality

_STUDENT = {"color": "#c1121f", "marker": "*", "markersize": 8, "linewidth": 1.8}
_ARROWS = {BEYOND: "^", BELOW: "v"}
_LABELS = {
    BEYOND: "at least: better than undistilled at every step count",
    BELOW: "at most: worse than undistilled at the fewest steps",
}
_LEGEND_COLUMNS = 3


def draw(cells: CellsBesideStudents, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric of undistilled models and of students, and floors.csv.

    Raises InputError if no student was sampled at few steps.
    """
    teachers, students = (Quality.of(own, floors, confidence) for own in cells)
    style.only_n(*(own.rows for own in cells))
    table = acceleration(students.points, teachers.points, confidence)
    with style.theme():
        handles = _legend(teachers, students, table)
        height = 3.4 + 0.16 * -(-len(handles) // _LEGEND_COLUMNS)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(5, 4))
        _draw_values(left, teachers, students)
        metric = style.metric_label(teachers.points.metric)
        left.set_ylabel(f"{metric}\nn = {teachers.n} images a cell")
        _draw_acceleration(right, table)
        sizes = students.points.rows.drop_duplicates("size").sort_values("params")
        for axes in (left, right):
            style.name_sizes(axes, sizes)
        figure.legend(handles=handles, loc="outside lower center", ncols=_LEGEND_COLUMNS)
    return figure


def _draw_values(axes: Axes, teachers: Quality, students: Quality) -> None:
    axes.set_xscale("log")
    looks = _looks(teachers)
    for steps, rows in teachers.points.rows.groupby("steps"):
        _draw_line(axes, rows, teachers.seeds, {**looks[steps], "label": f"{steps} steps"})
    few = students.points.rows[students.points.rows["steps"] == FEW_STEPS]
    _draw_line(axes, few, students.seeds, {**_STUDENT, "label": "distilled", "zorder": 3})
    drawn = pd.concat([teachers.points.rows, few])
    quality_curves.draw_floors(axes, teachers.floors, drawn)
    quality_curves.make_room(axes)


def _looks(teachers: Quality) -> dict[Any, dict]:
    steps = sorted(set(teachers.points.rows["steps"]))
    colors, marks = style.sequence(steps, "viridis"), style.markers(steps)
    line = {"linewidth": 1, "markersize": 3.5}
    return {count: {"color": colors[count], "marker": marks[count], **line} for count in steps}


def _draw_line(axes: Axes, rows: pd.DataFrame, seeds: int, look: dict) -> None:
    own, hollow = rows.sort_values("params"), {"markerfacecolor": "white", "zorder": 4}
    style.draw_cells(axes, own["params"] / 1e6, own, seeds, look, 0.7, at_end=hollow)


def _draw_acceleration(axes: Axes, table: pd.DataFrame) -> None:
    """Points with intervals; an arrow stands where the grid of steps only gives a bound.

    An interval that leaves the grid ends at the axis.
    """
    known = table[table["status"] != FAILED]
    axes.set(xscale="log", yscale="log")
    axes.set_ylabel("Acceleration (undistilled steps for one of the student)")
    axes.axhline(1, color=style.GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=0.9)
    numbers = known[["acceleration", "acceleration_lo", "acceleration_hi"]].to_numpy(float).ravel()
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    low, high = min([1, *numbers]) / 1.3, max([1, *numbers]) * 1.3
    for row in records(known):
        place = [row.params / 1e6] * 2
        span = np.clip([row.acceleration_lo, row.acceleration_hi], low, high)
        axes.plot(place, span, color=_STUDENT["color"], linewidth=1, label=f"{row.size} interval")
        mark = {"marker": _ARROWS.get(row.status, "*"), "markersize": 7, "linestyle": "none"}
        at = {"color": _STUDENT["color"], "label": f"{row.size}: {row.status}", "zorder": 3}
        axes.plot(place[:1], [row.acceleration], **mark, **at)
    failed = table.loc[table["status"] == FAILED, "params"]
    style.draw_failed(axes, failed / 1e6, _STUDENT["color"])
    axes.set_ylim(low, high)
    style.log_ticks(axes.yaxis)


def _legend(teachers: Quality, students: Quality, table: pd.DataFrame) -> list[Line2D | Patch]:
    name = f"distilled, {FEW_STEPS} steps ({students.sampler})"
    handles = [Line2D([], [], **_STUDENT, label=name)]
    for steps, look in _looks(teachers).items():
        handles.append(Line2D([], [], **look, label=f"undistilled, {steps} steps"))
    handles += style.band_handles(teachers.seeds)
    drawn = pd.concat([teachers.points.rows, students.points.rows])
    drawn = drawn[(drawn["stage"] == PRETRAIN) | (drawn["steps"] == FEW_STEPS)]
    for status, label in _LABELS.items():
        if (table["status"] == status).any():
            mark = Line2D([], [], color=style.GREY, marker=_ARROWS[status], linestyle="none")
            mark.set_label(label)
            handles.append(mark)
    return handles + style.cell_marks(drawn)
