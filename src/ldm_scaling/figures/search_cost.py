"""What adaptive guidance searches miss, against the images that they sample."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from ..jobs.cli import InputError
from ..jobs.command import csv
from ..jobs.tables import OK
from ..kinds.stages import PRETRAIN
from ..tables.searches import AIM, SEARCH_COST, summary
from . import style

_AIM = {"color": "#2a8a4a", "alpha": 0.13, "linewidth": 0}
_DODGE = 0.006
"""share of images by which samplers stand apart, to the left, since most sample about as many"""


def draw(searches: Annotated[pd.DataFrame, csv("search_cost.csv", SEARCH_COST)]) -> Figure:
    """The figure, from search_cost.csv. Raises InputError if no search ended, or if n differ."""
    rows = searches[searches["status"] == OK]
    if rows.empty:
        raise InputError("search_cost.csv has no search that found anything")
    n = style.only_n(rows)
    below = (rows["regret"] - rows["regret_lo"]).where(rows["regret"] > 0, 1)
    rows = rows.assign(ratio=rows["regret"] / below, share=rows["images"] / rows["grid_images"])
    with style.theme():
        handles = _legend(rows)
        lines = -(-len(handles) // 5)
        figure = Figure(figsize=(style.WIDTH, 3 + 0.17 * lines), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.6, 1])
        _draw_searches(left, rows)
        _draw_cumulative(right, rows)
        metric = style.metric_label(rows["metric"].iloc[0])
        left.set_ylabel("Regret over its interval's lower half")
        told = summary(searches).replace("; ", ";\n").replace(". The", ".\nThe")
        figure.suptitle(f"{metric}, n = {n}. {told}", fontsize=7.5)
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _draw_searches(axes: Axes, rows: pd.DataFrame) -> None:
    sizes, kinds = style.in_order(rows["size"]), _kinds(rows)
    colors, marks = style.size_colors(sizes), style.markers(kinds)
    top = max(1.3, 1.08 * rows["ratio"].max())
    axes.add_patch(Rectangle((0, 0), AIM.images, 1, zorder=0.5, **_AIM))
    for at, kind in enumerate(kinds):
        for size, own in rows[_kind(rows) == kind].groupby("size"):
            axes.plot(
                own["share"] - at * _DODGE,
                own["ratio"],
                color=colors[size],
                marker=marks[kind],
                linestyle="none",
                alpha=0.8,
                label=f"{size} {kind}",
            )
    axes.set(xlim=(0, max(0.5, 1.2 * rows["share"].max())), ylim=(-0.05 * top, top))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("Images of a search, of the grid's")


def _draw_cumulative(axes: Axes, rows: pd.DataFrame) -> None:
    ratios = np.sort(rows["ratio"])
    shares = np.arange(1, len(ratios) + 1) / len(ratios)
    axes.step([0, *shares], [ratios[0], *ratios], where="pre", color="0.2", label="searches")
    axes.add_patch(Rectangle((0, 0), AIM.success, 1, zorder=0.5, **_AIM))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("Searches with at most this regret")


def _kind(rows: pd.DataFrame) -> pd.Series:
    return rows["stage"].where(rows["stage"] != PRETRAIN, "") + " " + rows["sampler"]


def _kinds(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(_kind(rows)))


def _legend(rows: pd.DataFrame) -> list[Line2D | Rectangle]:
    sizes, kinds = style.in_order(rows["size"]), _kinds(rows)
    colors, marks = style.size_colors(sizes), style.markers(kinds)
    looks = [(colors[size], "s", size) for size in sizes]
    looks += [(style.GREY, marks[kind], kind.strip()) for kind in kinds]
    handles = [
        Line2D([], [], color=color, marker=marker, label=label, linestyle="none")
        for color, marker, label in looks
    ]
    return [*handles, Rectangle((0, 0), 1, 1, label="aim", **_AIM)]
