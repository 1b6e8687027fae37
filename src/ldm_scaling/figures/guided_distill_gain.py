"""Students of progressive distillation beside their teachers: the metric against steps."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..kinds.stages import PRETRAIN, student_steps
from ..tables.arguments import CellsBesideStudents, Confidence, Floors
from . import quality_curves, style
from .quality_curves import Quality

_FURTHER = 2
"""undistilled models are drawn up to so many times the most steps of students"""
_TEACHER = {"color": style.GREY, "marker": "o", "linestyle": (0, (3, 1.5))}


def draw(cells: CellsBesideStudents, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of undistilled models and of each stage of students."""
    teachers, *students = (Quality.of(own, floors, confidence) for own in cells)
    style.only_n(*(own.rows for own in cells))
    sizes, looks = students[0].sizes, _looks(teachers, students)
    every = pd.concat([own.points.rows for own in (teachers, *students)])
    sampled = sorted({steps for own in students for steps in own.points.rows["steps"]})
    every = every[every["size"].isin(sizes) & (every["steps"] <= _FURTHER * sampled[-1])]
    last = set(every["steps"]) & {_FURTHER * sampled[-1]}
    ticks = sorted({*sampled, *last})
    with style.theme():
        handles = _legend(looks, teachers, every)
        legend_columns = 4 if teachers.seeds == 1 else 3  # the label of bands is long
        rest = 0.6 + 0.17 * -(-len(handles) // legend_columns)
        label = f"{style.metric_label(every['metric'].iloc[0])}\nn = {teachers.n} images a cell"
        figure, panels = style.size_panels(
            len(sizes), 2.5, rest, xlabel="Sampling steps", ylabel=label
        )
        panels[0].set_xscale("log")
        for size, axes in zip(sizes, panels, strict=True):
            rows = every[every["size"] == size]
            _draw_panel(axes, rows, looks, teachers.seeds)
            quality_curves.draw_floors(axes, teachers.floors, every)
            axes.set_title(style.size_label(size, rows["params"].iloc[0]))
        quality_curves.make_room(panels[0])
        for axes in panels:
            axes.set_xticks(ticks, ticks)
            axes.minorticks_off()
        figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns)
    return figure


def _looks(teachers: Quality, students: list[Quality]) -> dict[str, dict]:
    """Label and look of the undistilled model and of each student, by stage."""
    stages = [own.points.rows["stage"].iloc[0] for own in students]
    colors, marks = style.sequence(stages, "viridis"), style.markers(["", *stages])
    looks = {PRETRAIN: {**_TEACHER, "label": f"undistilled ({teachers.sampler})"}}
    for stage in stages:
        label = f"student of {student_steps(stage)} steps"
        looks[stage] = {"color": colors[stage], "marker": marks[stage], "label": label}
    return {stage: {"linewidth": 1.1, "markersize": 3.5, **look} for stage, look in looks.items()}


def _draw_panel(axes: Axes, rows: pd.DataFrame, looks: dict[str, dict], seeds: int) -> None:
    for number, (stage, look) in enumerate(looks.items()):
        own, hollow = rows[rows["stage"] == stage], {"markerfacecolor": "white", "zorder": 3}
        own = own.sort_values("steps")
        height = 1 - 0.05 * number  # a row of crosses for each: several fail at the same steps
        style.draw_cells(axes, own["steps"].astype(int), own, seeds, look, 0.7, 1.5, hollow, height)


def _legend(looks: dict[str, dict], teachers: Quality, rows: pd.DataFrame) -> list[Line2D | Patch]:
    handles = [Line2D([], [], **look) for look in looks.values()]
    handles += style.band_handles(teachers.seeds)
    return handles + style.cell_marks(rows)
