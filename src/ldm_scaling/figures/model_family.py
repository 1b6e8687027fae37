"""What each size is and costs: parameters, GFLOPs and normalized cost against base channels.

Adopted models stand beside each other, in the study's order.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..costs.published import COLUMNS
from ..jobs.command import csv
from ..jobs.tables import FAMILY, records
from . import style

_RING = {"marker": "o", "ms": 9, "mew": 0.8, "mfc": "none", "color": style.GREY, "ls": "none"}
_LEGEND_COLUMNS = 4


def draw(family: Annotated[pd.DataFrame, csv("family.csv", [*FAMILY, *COLUMNS])]) -> Figure:
    """The figure, from the table family.csv."""
    named = family["channels"].isna().any()
    family = family.assign(place=range(len(family)) if named else family["channels"])
    family = family.sort_values("place")
    handles = _legend(family)
    with style.theme():
        height = 2.6 + 0.17 * -(-len(handles) // _LEGEND_COLUMNS)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_panel(left, family, "params", 1e6)
        _draw_panel(right, family, "gflops", 1)
        left.set_ylabel("Parameters (millions)")
        right.set_ylabel("GFLOPs of a forward pass")
        _add_normalized_cost(right, family)
        _note_slips(right, family)
        figure.legend(handles=handles, loc="outside lower center", ncols=_LEGEND_COLUMNS)
    return figure


def _draw_panel(axes: Axes, family: pd.DataFrame, column: str, unit: float) -> None:
    sizes = list(family["size"])
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    axes.plot(family["place"], family[column] / unit, color="0.8", zorder=1, label="family")
    for row in records(family):
        axes.plot(
            row.place,
            getattr(row, column) / unit,
            color=colors[row.size],
            marker=marks[row.size],
            linestyle="none",
            label=row.size,
            zorder=3,
        )
    printed = family[family[f"published_{column}"].notna()]
    if len(printed):
        axes.plot(
            printed["place"],
            printed[f"published_{column}"] / unit,
            label="published",
            zorder=2,
            **_RING,
        )
    if family["channels"].isna().any():
        axes.set_yscale("log")
        style.log_ticks(axes.yaxis)
        axes.set_xticks(family["place"], family["size"], rotation=45, ha="right")
        return
    axes.set_xlabel("Base channels")
    style.log_log(axes)


def _add_normalized_cost(axes: Axes, family: pd.DataFrame) -> None:
    reference = family.loc[(family["normalized_cost"] - 1).abs().idxmin()]
    gflops = reference["gflops"]
    beside = axes.secondary_yaxis("right", functions=(lambda g: g / gflops, lambda n: n * gflops))
    beside.set_ylabel(f"Normalized cost ({reference['size']} = 1)")
    low, high = axes.get_ylim()
    beside.set_ylim(low / gflops, high / gflops)
    style.log_ticks(beside.yaxis)


def _note_slips(axes: Axes, family: pd.DataFrame) -> None:
    for row in records(family[family["published_note"].notna()]):
        axes.annotate(
            row.published_note.replace(": ", ":\n"),
            (row.place, row.published_gflops),
            xytext=(9, -4),
            textcoords="offset points",
            va="bottom",
            fontsize=6.5,
            color=style.GREY,
        )


def _legend(family: pd.DataFrame) -> list[Line2D]:
    handles = style.size_handles(family, linestyle="none")
    if family["published_params"].notna().any():
        handles.append(Line2D([], [], **_RING, label="printed by the paper"))
    return handles
