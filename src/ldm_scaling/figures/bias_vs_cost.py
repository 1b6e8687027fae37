"""Fairness discrepancy against cost, and what removing it costs in distance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import Option, Read
from ..jobs.tables import OK, records
from ..kinds.arms import ARMS, BALANCED_TRAINING, BEST_OF_TWO, GUIDED, PLAIN
from ..tables.arguments import Confidence, Metric
from ..tables.bias import DISCREPANCY, over_seeds, read_bias
from ..tables.values import Values, with_intervals
from . import style

_AXIS = "guided_cost"
_PALEST = 0.3
"""opacity of the weakest guidance"""
_ARM_MARKS: dict[Any, str] = {PLAIN: "o", GUIDED: ".", BEST_OF_TWO: "D", BALANCED_TRAINING: "*"}
_FILES: dict[str, Any] = {"nargs": 2, "names": ("TABLE", "DRAWS")}
_CELL = ["stage", "size", "params", "steps", "guidance", "arm", "strength"]

BiasFiles = Annotated[tuple[Path, Path], Option("bias.csv and the draws beside it", Path, **_FILES)]


def read_both(bias: BiasFiles, metric: Metric) -> tuple[Values, Values]:
    """The cells' discrepancy, and their distance."""
    return read_bias(*bias, DISCREPANCY), read_bias(*bias, metric)


def draw(
    values: Annotated[tuple[Values, Values], Read(read_both)], confidence: Confidence
) -> Figure:
    """The figure, from cells of prompts that name no tone: discrepancy, and distance."""
    seeds = values[0].rows["seed"].nunique()
    found, distance = (with_intervals(over_seeds(own, confidence), confidence) for own in values)
    n = style.only_n(found, distance)
    colors = style.size_colors(style.in_order(found["size"]))
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        plain = found[found["arm"] == PLAIN]
        shades = _shades(plain["guidance"])
        _draw_discrepancy(left, plain, colors, shades)
        left.set_ylabel(f"{style.metric_label(DISCREPANCY)}\nn = {n}, lower is better")
        _draw_trade(right, *at_equal_cost(found, distance), colors)
        right.set_xlabel(style.metric_label(DISCREPANCY))
        label = style.metric_label(values[1].metric)
        right.set_ylabel(f"{label}, to drawings of every tone\nn = {n}, lower is better")
        handles = _handles(found, shades)
        handles += style.band_handles(seeds)
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def at_equal_cost(found: pd.DataFrame, distance: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Cells of each size that cost what its plain one does at the most steps, and the scale.

    At the scale at which the bias is removed; of best of two, those of half the steps. Columns of
    the distance have the ending _d.
    """
    both = found.merge(distance, on=_CELL, suffixes=("", "_d"))
    removed = both[both["arm"] == GUIDED]
    scale = float(removed["guidance"].iloc[0]) if len(removed) else float(both["guidance"].max())
    own = both[both["guidance"] == scale]
    plain = own[(own["arm"] == PLAIN) & (own["steps"] == own["steps"].max())]
    costs = plain.set_index("size")[_AXIS]
    same = (own[_AXIS] / own["size"].map(costs) - 1).abs() < 1e-6
    return own[same & (own["status"] == OK) & (own["status_d"] == OK)], scale


def _shades(scales: pd.Series) -> dict[Any, float]:
    """The opacity of each guidance scale, the strongest darkest."""
    levels = sorted(scales.unique())
    step = (1 - _PALEST) / max(len(levels) - 1, 1)
    return {scale: 1 - step * (len(levels) - 1 - at) for at, scale in enumerate(levels)}


def _draw_discrepancy(
    axes: Axes, rows: pd.DataFrame, colors: dict[Any, str], shades: dict[Any, float]
) -> None:
    axes.set_xscale("log")
    for (size, scale), own in rows.groupby(["size", "guidance"]):
        own = own.sort_values(_AXIS)
        ok = own[own["status"] == OK]
        look = {"color": colors[size], "alpha": shades[scale], "label": f"{size}, {scale:g}"}
        bars = {"elinewidth": 0.6, "marker": "o", "markersize": 3, "linewidth": 1.0}
        axes.errorbar(ok[_AXIS], ok["value"], yerr=style.intervals(ok), **look, **bars)
        style.draw_failed(axes, own.loc[own["status"] != OK, _AXIS], colors[size])
    axes.set_xlabel("Guided cost (normalized cost \N{MULTIPLICATION SIGN} evaluations)")
    axes.set_ylim(bottom=0)
    style.log_ticks(axes.xaxis)


def _draw_trade(axes: Axes, rows: pd.DataFrame, scale: float, colors: dict[Any, str]) -> None:
    for size, own in rows.groupby("size"):
        path = own[own["arm"].isin([PLAIN, GUIDED])].sort_values("strength", na_position="first")
        axes.plot(path["value"], path["value_d"], color=colors[size], label=f"{size}, guided")
        for row in records(own):
            bars: dict[str, Any] = {"color": colors[size], "linewidth": 0.5, "zorder": 1}
            axes.plot([row.lo, row.hi], [row.value_d] * 2, label="_interval", **bars)
            axes.plot([row.value] * 2, [row.lo_d, row.hi_d], label="_interval", **bars)
            fill = "white" if row.arm == BEST_OF_TWO else colors[size]
            look = {"color": colors[size], "marker": _ARM_MARKS[row.arm], "zorder": 3}
            look |= {"markerfacecolor": fill, "linestyle": "none"}
            axes.plot(row.value, row.value_d, label=f"{size}, {ARMS[str(row.arm)]}", **look)
    if len(rows):
        axes.set_title(f"at the cost of {rows['steps'].max()} steps, guidance {scale:g}")
    axes.set_xlim(left=0)


def _handles(rows: pd.DataFrame, shades: dict[Any, float]) -> list[Line2D]:
    handles = style.size_handles(rows, marker="o", markersize=3)
    grey: dict[str, Any] = {"color": style.GREY, "marker": "o", "markersize": 3}
    handles += [
        Line2D([], [], alpha=shade, label=f"guidance {scale:g}", **grey)
        for scale, shade in shades.items()
    ]
    for arm in rows["arm"].unique():
        line = "-" if arm == GUIDED else "none"
        fill = "white" if arm == BEST_OF_TWO else style.GREY
        look: dict[str, Any] = {
            "marker": _ARM_MARKS[arm],
            "linestyle": line,
            "markerfacecolor": fill,
        }
        handles.append(Line2D([], [], color=style.GREY, label=ARMS[str(arm)], **look))
    if (rows["status"] != OK).any():
        handles.append(style.failed_mark(style.GREY))
    return handles
