"""How far FLOPs are from seconds: measured time of a forward pass against its FLOPs."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.cli import InputError
from ..jobs.command import csv
from ..jobs.tables import OK, records
from ..tables.arguments import Family
from . import style

LATENCY = ["size", "batch", "seconds_per_image", "lo", "hi", "status", "dtype", "device"]
_LEGEND_COLUMNS = 5


def draw(latency: Annotated[pd.DataFrame, csv("latency.csv", LATENCY)], family: Family) -> Figure:
    """The figure, from the tables latency.csv and family.csv.

    Raises InputError if nothing was measured, or a size is not in the family.
    """
    rows = family.merge(latency[latency["status"] == OK], on="size")
    if rows.empty:
        raise InputError("latency.csv has no row with status ok of a size in family.csv")
    rows["lo"], rows["hi"] = rows["lo"] / rows["batch"], rows["hi"] / rows["batch"]
    handles = _legend(rows)
    with style.theme():
        height = 2.7 + 0.17 * -(-len(handles) // _LEGEND_COLUMNS)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_seconds(left, rows)
        _draw_rate(right, rows)
        for axes in (left, right):
            axes.set_xlabel("GFLOPs of a forward pass")
            style.log_log(axes)
        numbers = ", ".join(dict.fromkeys(rows["dtype"]))
        figure.suptitle(f"{rows['device'].iloc[0]}, {numbers}", fontsize=7.5)
        figure.legend(handles=handles, loc="outside lower center", ncols=_LEGEND_COLUMNS)
    return figure


def _draw_seconds(axes: Axes, rows: pd.DataFrame) -> None:
    marks, colors = style.markers(style.in_order(rows["size"])), _colors(rows)
    for batch, own in rows.sort_values("gflops").groupby("batch"):
        color = colors[batch]
        axes.plot(own["gflops"], own["seconds_per_image"], color=color, label=f"batch {batch}")
        axes.vlines(own["gflops"], own["lo"], own["hi"], color=color, linewidth=0.8)
        for row in records(own):
            axes.plot(row.gflops, row.seconds_per_image, color=color, marker=marks[row.size])
    largest = rows[rows["gflops"] == rows["gflops"].max()]
    fastest = largest.loc[largest["seconds_per_image"].idxmin()]
    rate = fastest["seconds_per_image"] / fastest["gflops"]
    ends = [rows["gflops"].min(), rows["gflops"].max()]
    axes.plot(
        ends,
        [end * rate for end in ends],
        color=style.GREY,
        linestyle=(0, (4, 2)),
        linewidth=0.9,
        zorder=1,
        label="as FLOPs",
    )
    axes.set_ylabel("Seconds of a forward pass, an image")


def _draw_rate(axes: Axes, rows: pd.DataFrame) -> None:
    marks, colors = style.markers(style.in_order(rows["size"])), _colors(rows)
    for batch, own in rows.sort_values("gflops").groupby("batch"):
        color, rate = colors[batch], own["gflops"] / own["seconds_per_image"]
        axes.plot(own["gflops"], rate, color=color, label=f"batch {batch}")
        for row, value in zip(records(own), rate, strict=True):
            axes.plot(row.gflops, value, color=color, marker=marks[row.size])
    axes.set_ylabel("GFLOPs a second")


def _colors(rows: pd.DataFrame) -> dict[Any, str]:
    return style.sequence(sorted(set(rows["batch"])), "viridis")


def _legend(rows: pd.DataFrame) -> list[Line2D]:
    sizes = style.size_handles(rows, color=style.GREY, linestyle="none")
    batches = [
        Line2D([], [], color=color, label=f"batch {batch}")
        for batch, color in _colors(rows).items()
    ]
    proportional = Line2D([], [], color=style.GREY, ls=(0, (4, 2)), lw=0.9, label="as FLOPs")
    return [*sizes, *batches, proportional]
