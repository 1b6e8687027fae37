"""Students of stochastic distillation beside plain ones: distance and coverage against cost."""

from __future__ import annotations

from itertools import cycle
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import Option, Read
from ..kinds.stages import arm_of
from ..tables.arguments import Confidence, Floors, Metric, SeveralCellFiles, read_several
from ..tables.budgets import of_metric
from ..tables.values import Values, with_intervals
from . import quality_curves, style

_AXIS = "sampling_cost"
_LINES: list[Any] = ["-", (0, (1, 1)), (0, (4, 1.5)), (0, (7, 1, 1, 1))]
"""the whole method's, then those of the plain student and of the arms between them"""
PLAIN = "plain"

Stage = tuple[Values, Values]
"""the cells of one stage by the metric that chooses the guidance, and by coverage"""


def read_stages(
    cells: SeveralCellFiles,
    metric: Metric,
    coverage: Annotated[str, Option("metric of how many real images are covered")],
) -> list[Stage]:
    """The cells of both metrics, of each stage."""
    both = (read_several(cells, name) for name in (metric, coverage))
    return list(zip(*both, strict=True))


def draw(
    stages: Annotated[list[Stage], Read(read_stages)], floors: Floors, confidence: Confidence
) -> Figure:
    """The figure, from the cells of the plain student and of each arm in turn, and floors.csv."""
    names = [arm_of(own.rows["stage"].iloc[0]) or PLAIN for own, _ in stages]
    lines = dict(zip([names[-1], *names[:-1]], cycle(_LINES), strict=False))
    points = [_points(*own, confidence) for own in stages]
    seeds = stages[0][0].rows["seed"].nunique()
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 4.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, own in zip(panels, zip(*points, strict=True), strict=True):
            axes.set_xscale("log")
            for name, rows in zip(names, own, strict=True):
                _draw_arm(axes, rows, name, lines[name], seeds)
            every, metric = pd.concat(own), own[0]["metric"].iloc[0]
            quality_curves.draw_floors(axes, of_metric(floors, metric), every)
            quality_curves.make_room(axes)
            axes.set_xlabel(quality_curves.AXIS_LABELS[_AXIS])
            count = style.only_n(every, of_metric(floors, metric))
            axes.set_ylabel(f"{style.metric_label(metric)}\nn = {count} images a cell")
            style.log_ticks(axes.xaxis)
        drawn = pd.concat(rows for own in points for rows in own)
        handles = [*style.size_handles(drawn), *(_handle(name, lines[name]) for name in names)]
        handles += [*style.band_handles(seeds), *style.cell_marks(drawn)]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _points(
    cells: Values, coverage: Values, confidence: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both metrics at the best guidance by the first one, with intervals."""
    chosen, other = cells.over_seeds(confidence), coverage.over_seeds(confidence)
    best = (chosen.at_best_guidance(), other.at_best_guidance(chosen))
    first, second = (with_intervals(own, confidence).sort_values(_AXIS) for own in best)
    return first, second


def _draw_arm(axes: Axes, rows: pd.DataFrame, name: str, line: Any, seeds: int) -> None:
    sizes = style.in_order(rows["size"])
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    for size in sizes:
        own = rows[rows["size"] == size]
        look = {"color": colors[size], "linestyle": line, "marker": marks[size], "markersize": 3}
        look |= {"linewidth": 1.0, "label": f"{size}, {name}"}
        white = {"markerfacecolor": "white", "zorder": 3}
        style.draw_cells(axes, own[_AXIS], own, seeds, look, 0.5, at_end=white)


def _handle(name: str, line: Any) -> Line2D:
    return Line2D([], [], color=style.GREY, linestyle=line, label=name)
