"""A metric against the guidance scale: a panel for each size, a line for each step count."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..cli import run
from ..tables.budgets import of_metric
from ..tables.collect import OK, read_table
from ..tables.curves import best_points
from ..tables.fixed_setting import with_intervals
from ..tables.values import read_values
from . import quality_curves, style

_COLUMNS = 4


def draw(cells: pd.DataFrame, best: pd.DataFrame, floors: pd.DataFrame, metric: str) -> Figure:
    """The figure, from cells and best points, each a mean over seeds, and floors.csv.

    Raises InputError if the metric is not in all tables, or if their n differ.
    """
    rows, best, floors = (of_metric(table, metric) for table in (cells, best, floors))
    rows = rows[rows["trained"] == 1]
    n = style.only_n(rows[rows["status"] == OK], floors)
    sizes = style.by_channels(rows["size"])
    steps = sorted(set(rows["steps"]))
    columns = min(len(sizes), _COLUMNS)
    lines = -(-len(sizes) // columns)
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 0.8 + 2.6 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        panels = list(panels.flat)
        for axes in panels[len(sizes) :]:
            axes.remove()
        for position, (size, axes) in enumerate(zip(sizes, panels, strict=False)):
            own = rows[rows["size"] == size]
            style.draw_floors(axes, floors)
            _draw_panel(axes, own, best[best["size"] == size], steps)
            axes.set_title(style.size_label(size, own["params"].iloc[0]))
            if position % columns == 0:
                axes.set_ylabel(f"{style.metric_label(metric)}\nn = {n} images a cell")
            if position + columns >= len(sizes):  # nothing below
                axes.set_xlabel("Guidance scale")
                axes.tick_params(labelbottom=True)
        style.scale_values(panels[0], rows[rows["status"] == OK], floors)
        panels[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        handles = _legend(rows, best, floors, steps)
        figure.legend(handles=handles, loc="outside lower center", ncols=6)
    return figure


def _draw_panel(axes: Axes, cells: pd.DataFrame, best: pd.DataFrame, steps: list[int]) -> None:
    colors, marks = style.sequence(steps, "viridis"), style.markers(steps)
    means = cells[cells["status"] == OK]
    for number, count in enumerate(steps):
        own, color = means[means["steps"] == count], colors[count]
        axes.errorbar(
            own["guidance"],
            own["value"],
            yerr=style.intervals(own),
            color=color,
            linewidth=1,
            elinewidth=0.7,
            marker=marks[count],
            markersize=2.8,
            label=f"{count} steps",
        )
        failed = cells[(cells["steps"] == count) & (cells["status"] != OK)]
        if len(failed):
            # One row of crosses for each step count: several often fail at the same guidance.
            style.draw_failed(axes, failed["guidance"], color, height=1 - 0.05 * number)
        for hollow, chosen in best[(best["steps"] == count)].groupby("at_boundary"):
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
    for kind in floors["kind"]:
        name, line_style = style.FLOORS[kind]
        handles.append(Line2D([], [], color=style.GREY, linestyle=line_style, label=name))
    if (rows["status"] != OK).any():
        handles.append(style.failed_mark(style.GREY))
    return handles


def main() -> None:
    """Command line."""
    arguments = quality_curves.figure_parser(__doc__)
    options = arguments.parse_args()
    cells = read_values(*options.cells, options.metric)
    figure = draw(
        with_intervals(cells.over_seeds(options.confidence), options.confidence),
        best_points(cells, options.confidence).rows,
        read_table(options.floors, style.FLOOR_COLUMNS),
        options.metric,
    )
    style.save(figure, options.pdf, options.png)


if __name__ == "__main__":
    run(main)
