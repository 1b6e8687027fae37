"""Image quality against sampling cost: which size wins at which budget.

Left: what each size costs. Right: each size at its best guidance, the floors, and the winner at
each budget. The idea is that of Mei et al., arXiv 2404.01367, Figure 9.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..cli import parser, run
from ..tables.budgets import mean_over_seeds, of_metric, of_sampler, winners
from ..tables.collect import BEST, OK, read_table
from . import style

_MOST_TIES = 2


def draw(best: pd.DataFrame, floors: pd.DataFrame, budgets: list[float], metric: str) -> Figure:
    """The figure, from the tables best.csv and floors.csv.

    Raises InputError if the metric is not in both tables, or if their n differ.
    """
    rows, floors = of_metric(best, metric), of_metric(floors, metric)
    n = style.only_n(rows, floors)
    sizes = style.by_channels(rows["size"])
    with style.theme():
        height = 4.4 + 0.12 * max(0, len(sizes) - 6)  # room for a longer legend
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(2, 3))
        _draw_costs(left, rows, sizes)
        _draw_quality(right, rows, floors, sizes)
        _mark_winners(right, winners(best, metric, budgets), style.size_colors(sizes))
        style.log_ticks(right.xaxis)
        right.set_ylabel(f"{style.metric_label(metric)}\nn = {n} images a cell")
        left.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=2)
        figure.legend(handles=_legend(rows), loc="outside lower center", ncols=3)
    return figure


def _draw_costs(axes: Axes, rows: pd.DataFrame, sizes: list[str]) -> None:
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    for size in sizes:
        own = rows[rows["size"] == size].drop_duplicates("steps").sort_values("steps")
        label = style.size_label(size, own["params"].iloc[0])
        axes.plot(
            own["steps"].astype(int),
            own["sampling_cost"],
            color=colors[size],
            marker=marks[size],
            label=label,
        )
    axes.set(xscale="log", yscale="log", xlabel="Sampling steps")
    axes.set_ylabel(style.COST_LABEL)
    style.log_ticks(axes.xaxis)
    style.log_ticks(axes.yaxis)


def _draw_quality(axes: Axes, rows: pd.DataFrame, floors: pd.DataFrame, sizes: list[str]) -> None:
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    means = mean_over_seeds(rows, ["size", "steps"]).sort_values("steps")
    axes.set_xscale("log")
    for size in sizes:
        own, color = means[means["size"] == size], colors[size]
        axes.errorbar(
            own["sampling_cost"],
            own["value"],
            yerr=style.intervals(own),
            color=color,
            linewidth=1.2,
            elinewidth=0.8,
            capsize=1.5,
            label=size,
        )
        for hollow, points in own.groupby("at_boundary"):
            axes.plot(
                points["sampling_cost"],
                points["value"],
                color=color,
                marker=marks[size],
                markerfacecolor="white" if hollow else color,
                linestyle="none",
                label=f"{size} {'hollow' if hollow else 'filled'}",
                zorder=3,
            )
        every = rows[rows["size"] == size]
        if rows["seed"].nunique() > 1:
            points = every[every["status"] == OK]
            axes.plot(
                points["sampling_cost"],
                points["value"],
                color=color,
                marker=marks[size],
                markersize=3,
                markeredgewidth=0,
                alpha=0.4,
                linestyle="none",
                label=f"{size} seeds",
            )
        if (failed := every[every["status"] != OK]).shape[0]:
            style.draw_failed(axes, failed["sampling_cost"], color)
    style.draw_floors(axes, floors)
    style.scale_values(axes, rows, floors)
    axes.set_xlabel(style.COST_LABEL)
    _name_floors(axes, floors)


def _name_floors(axes: Axes, floors: pd.DataFrame) -> None:
    # Names stand on the outer sides of the lines, where they cannot meet, however close they are.
    for floor in floors.itertuples():
        lowest = floor.value == floors["value"].min()
        axes.annotate(
            style.FLOORS[floor.kind][0],
            (0.01, floor.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, -2 if lowest else 2),
            textcoords="offset points",
            va="top" if lowest else "bottom",
            fontsize=6.5,
            color=style.GREY,
        )
    low, high = axes.transLimits.inverted().transform([(0, -0.07), (0, 1.04)])[:, 1]
    axes.set_ylim(*axes.transScale.inverted().transform([(1, low), (1, high)])[:, 1])


def _mark_winners(axes: Axes, won: pd.DataFrame, colors: dict[str, str]) -> None:
    for row in won.itertuples():
        color = colors.get(row.size, style.GREY)
        axes.axvline(row.budget, color="0.8", linewidth=0.6, zorder=0)
        tied = row.tied_with.split()
        shown = [row.size or "none", *tied[:_MOST_TIES], *["…"] * (len(tied) > _MOST_TIES)]
        if row.size:
            axes.plot(
                row.budget,
                1.06,
                color=color,
                marker="*",
                markersize=6,
                markeredgewidth=0,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                label=f"winner at {row.budget:g}",
            )
        axes.annotate(
            " ~ ".join(shown),
            (row.budget, 1.1),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=6.5,
            color=color,
        )


def _legend(rows: pd.DataFrame) -> list[Line2D]:
    def mark(marker: str, label: str, face: str = style.GREY) -> Line2D:
        return Line2D(
            [], [], color=style.GREY, marker=marker, markerfacecolor=face, ls="none", label=label
        )

    handles = [mark("*", "best size within the budget (~: intervals overlap)")]
    if rows["at_boundary"].any():
        handles.append(mark("o", "guidance chosen at an end of the grid", face="white"))
    if (rows["status"] != OK).any():
        handles.append(style.failed_mark(style.GREY))
    return handles


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--best", required=True, type=Path, help="best.csv")
    arguments.add_argument("--floors", required=True, type=Path, help="floors.csv")
    arguments.add_argument("--metric", required=True, help="metric to draw")
    arguments.add_argument("--sampler", required=True, help="sampler to draw")
    arguments.add_argument(
        "--budgets", required=True, nargs="+", type=float, help="sampling costs to name winners at"
    )
    arguments.add_argument("--pdf", required=True, type=Path)
    arguments.add_argument("--png", required=True, type=Path)
    options = arguments.parse_args()
    best = of_sampler(read_table(options.best, BEST), options.sampler)
    floors = read_table(options.floors, style.FLOOR_COLUMNS)
    style.save(draw(best, floors, options.budgets, options.metric), options.pdf, options.png)


if __name__ == "__main__":
    run(main)
