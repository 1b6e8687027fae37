"""Distilled and undistilled sizes against what an image costs, by two ways of counting."""

from __future__ import annotations

from itertools import takewhile

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..tables.arguments import CellsBesideStudents, Confidence, Floors
from ..tables.curves import CROSSOVERS, crossing_row, curve_of, sizes_of
from ..tables.values import Values
from . import paired_curves, quality_curves, style
from .quality_curves import Quality

_AXES = ("sampling_cost", "guided_cost")


def draw(cells: CellsBesideStudents, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of undistilled models and of students, and floors.csv."""
    teachers, students = (Quality.of(own, floors, confidence) for own in cells)
    style.only_n(*(own.rows for own in cells))
    every = pd.concat([own.points.rows for own in (teachers, students)])
    largest = students.sizes[-1]
    with style.theme():
        figure, panels, strips = quality_curves.layout(teachers.sizes, (1, 1), (True, True))
        panels[1].sharey(panels[0])
        for axes, strip, axis in zip(panels, strips, _AXES, strict=True):
            axes.set_xscale("log")
            paired_curves.draw_family(axes, teachers, axis, solid=False)
            paired_curves.draw_family(axes, students, axis, solid=True)
            quality_curves.draw_floors(axes, teachers.floors, every)
            if strip is not None:
                _draw_meetings(strip, teachers, students, axis)
                axes.tick_params(labelbottom=False)
            (strip or axes).set_xlabel(quality_curves.AXIS_LABELS[axis])
            style.log_ticks(axes.xaxis)
        quality_curves.make_room(panels[0])
        metric = style.metric_label(teachers.points.metric)
        panels[0].set_ylabel(f"{metric}\nn = {teachers.n} images a cell")
        handles = [
            *style.size_handles(teachers.points.rows),
            paired_curves.handle(f"distilled ({students.sampler})", solid=True),
            paired_curves.handle(f"undistilled ({teachers.sampler})", solid=False),
            quality_curves.envelope_handle(),
            *paired_curves.handles(teachers, students),
            *quality_curves.crossing_handles(strips, f"distilled {largest}", "undistilled size"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_meetings(strip: Axes, teachers: Quality, students: Quality, axis: str) -> None:
    rows = meetings(teachers.points, students.points, axis, teachers.confidence)
    colors = style.size_colors(teachers.sizes)
    small = list(rows["small"])
    quality_curves.draw_crossings(strip, rows, [colors[size] for size in small], small)


def meetings(teachers: Values, students: Values, axis: str, confidence: float) -> pd.DataFrame:
    """Where each smaller undistilled size and the largest distilled one overtake each other.

    Both are those of `best_points`. The columns are `CROSSOVERS`: with status CROSSES the distilled
    size overtakes for good at `cost`, with SMALLER_OVERTAKES the undistilled one.
    """
    first, largest = students.rows.iloc[0], sizes_of(students)[-1]
    student = curve_of(students, largest, axis)
    smaller = takewhile(lambda size: size != largest, sizes_of(teachers))
    rows = [
        crossing_row(first, axis, curve_of(teachers, size, axis), student, confidence, back=True)
        for size in smaller
    ]
    return pd.DataFrame(rows, columns=CROSSOVERS)
