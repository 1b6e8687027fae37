"""A metric against the guidance scale: a panel for each size, a line for each step count."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..jobs.tables import OK
from ..tables.arguments import Cells, Confidence, Floors
from . import quality_curves, style
from .quality_curves import Quality

_COLUMNS = 4


def draw(cells: Cells, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv.

    Raises InputError if the metric is not in floors.csv, or if their n differ.
    """
    quality = Quality.of(cells, floors, confidence)
    rows, best, floors = quality.grid(), quality.points.rows, quality.floors
    near = floors[~quality_curves.far_floors(floors, rows)]
    sizes = style.by_channels(rows["size"])
    steps = sorted(set(rows["steps"]))
    columns = min(len(sizes), _COLUMNS)
    lines = -(-len(sizes) // columns)
    with style.theme():
        handles = _legend(rows, best, floors, steps) + style.band_handles(quality.seeds)
        wide = quality.seeds > 1 or len(near) < len(floors)  # labels of bands and far floors
        legend_columns = 4 if wide else 6
        more = max(0, -(-len(handles) // legend_columns) - 2)
        height = 0.8 + 2.6 * lines + 0.17 * more
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        panels = list(panels.flat)
        for axes in panels[len(sizes) :]:
            axes.remove()
        for position, (size, axes) in enumerate(zip(sizes, panels, strict=False)):
            own = rows[rows["size"] == size]
            style.draw_floors(axes, near)
            _draw_panel(axes, own, best[best["size"] == size], steps, quality.seeds)
            axes.set_title(style.size_label(size, own["params"].iloc[0]))
            if position % columns == 0:
                axes.set_ylabel(quality.label)
            if position + columns >= len(sizes):  # nothing below
                axes.set_xlabel("Guidance scale")
                axes.tick_params(labelbottom=True)
        style.scale_values(panels[0], rows, near)
        panels[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns)
    return figure


def _draw_panel(
    axes: Axes, cells: pd.DataFrame, best: pd.DataFrame, steps: list[int], seeds: int
) -> None:
    colors, marks = style.sequence(steps, "viridis"), style.markers(steps)
    for number, count in enumerate(steps):
        every, color = cells[cells["steps"] == count].sort_values("guidance"), colors[count]
        own, failed = every[every["status"] == OK], every[every["status"] != OK]
        look = {"color": color, "linewidth": 1, "marker": marks[count], "markersize": 2.8}
        look["label"] = f"{count} steps"
        style.draw_curve(axes, own["guidance"], own, seeds, elinewidth=0.7, **look)
        if len(failed):
            # One row of crosses for each step count: several often fail at the same guidance.
            style.draw_failed(axes, failed["guidance"], color, height=1 - 0.05 * number)
        stars = best[(best["steps"] == count) & (best["status"] == OK)]
        for hollow, chosen in stars.groupby("at_boundary"):
            axes.plot(
                chosen["guidance"],
                chosen["value"],
                color=color,
                marker="*",
                markersize=8,
                markeredgewidth=0.8,
                markerfacecolor="white" if hollow else color,
                linestyle="none",
                label="best, hollow" if hollow else "best",
                zorder=4,
            )


def _legend(
    rows: pd.DataFrame, best: pd.DataFrame, floors: pd.DataFrame, steps: list[int]
) -> list[Line2D]:
    colors, marks = style.sequence(steps, "viridis"), style.markers(steps)
    handles = [
        Line2D([], [], color=colors[count], marker=marks[count], ms=3.5, label=f"{count} steps")
        for count in steps
    ]
    star = {"color": style.GREY, "marker": "*", "markersize": 7, "linestyle": "none"}
    handles.append(Line2D([], [], **star, label="chosen guidance"))
    if best["at_boundary"].any():
        label = "chosen at an end of the grid"
        handles.append(Line2D([], [], **star, markerfacecolor="white", label=label))
    handles += quality_curves.floor_handles(floors, rows)
    if (rows["status"] != OK).any():
        handles.append(style.failed_mark(style.GREY))
    return handles
