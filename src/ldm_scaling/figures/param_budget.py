"""A metric against the text encoder's share of a total, along curves of equal totals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from ..jobs.command import Option, csv
from ..jobs.tables import OK, records
from ..kinds.metrics import HIGHER_IS_BETTER
from ..tables.splits import AXES, BEHIND, BEST, PARAM_BUDGET, SPLITS
from . import style

_TITLES = {"params": "equal parameters", "gflops": "equal FLOPs of an image"}
_SHARES = {
    "params": "Text encoder, of all parameters",
    "gflops": "Text encoder, of an image's FLOPs",
}
_HEADROOM = 0.25
"""of a panel's height, for the legend of its totals"""
_PAIR: dict[str, Any] = {"color": "0.7", "linestyle": "none", "markersize": 3}
_SMALL = {"fontsize": 6, "handlelength": 1.2, "columnspacing": 1.2}
_NOTE = {"xycoords": "axes fraction", "ha": "center", "fontsize": 6.5}


def read_splits(path: Path) -> pd.DataFrame:
    """The table of splits, which may have no rows."""
    return pd.read_csv(path).reindex(columns=SPLITS)


def draw(
    pairs: Annotated[pd.DataFrame, csv("param_budget.csv", PARAM_BUDGET)],
    splits: Annotated[pd.DataFrame, Option("param_budget_splits.csv", Path, read=read_splits)],
) -> Figure:
    """The figure, from param_budget.csv and param_budget_splits.csv.

    Raises InputError if n differ.
    """
    metrics, sizes = list(pairs["metric"].unique()), style.in_order(pairs["size"])
    looks = style.markers(sizes)
    with style.theme():
        size = (style.WIDTH, 2.5 * len(metrics) + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(metrics), len(AXES), squeeze=False)
        for row, metric in zip(panels, metrics, strict=True):
            for axes, axis in zip(row, AXES, strict=True):
                own = splits[(splits["metric"] == metric) & (splits["axis"] == axis)]
                _draw_panel(axes, pairs[pairs["metric"] == metric], own, axis, looks)
            n = style.only_n(pairs[pairs["metric"] == metric])
            better = "higher" if metric in HIGHER_IS_BETTER else "lower"
            name = style.metric_label(metric).replace(" (fitted to the training split)", "")
            row[0].set_ylabel(f"{name}\nn = {n}, {better} is better")
        for axes, axis in zip(panels[0], AXES, strict=True):
            axes.set_title(_TITLES[axis])
        for axes, axis in zip(panels[-1], AXES, strict=True):
            axes.set_xlabel(_SHARES[axis])
        handles = _legend(looks, pairs)
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_panel(
    axes: Axes, pairs: pd.DataFrame, splits: pd.DataFrame, axis: str, looks: dict[Any, str]
) -> None:
    share = pairs[AXES[axis][0]] / pairs[axis]
    for size, rows in pairs.groupby("size"):
        look: dict[str, Any] = _PAIR | {"marker": looks[size], "label": f"pairs of {size}"}
        axes.plot(share[rows.index], rows["value"], zorder=1, **look)
        ok = rows[rows["status"] == OK]
        bars: dict[str, Any] = {"color": _PAIR["color"], "linewidth": 0.6, "zorder": 1}
        axes.vlines(share[ok.index], ok["lo"], ok["hi"], label=f"intervals of {size}", **bars)
        if len(at_end := rows[rows["at_boundary"]]):
            hollow: dict[str, Any] = look | {
                "markerfacecolor": "white",
                "label": f"pairs of {size}, hollow",
            }
            axes.plot(share[at_end.index], at_end["value"], zorder=1.1, **hollow)
    style.draw_failed(axes, share[pairs["status"] != OK], style.GREY)
    totals = sorted(splits["total"].unique())
    colors = style.sequence(totals, "viridis")
    curves = [_draw_curve(axes, splits, total, colors[total], axis) for total in totals]
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(x=0.08, y=0.1)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + _HEADROOM * (high - low))
    if curves:
        axes.legend(handles=curves, loc="upper center", ncols=3, **_SMALL)
    else:
        axes.annotate("no total that two encoders share", (0.5, 0.92), **_NOTE)


def _draw_curve(
    axes: Axes, splits: pd.DataFrame, total: float, color: str, axis: str
) -> ErrorbarContainer:
    own = splits[splits["total"] == total].sort_values("text_share")
    look = {"color": color, "marker": "o", "markerfacecolor": "white", "zorder": 2}
    bars = {"yerr": style.intervals(own), "elinewidth": 0.8, "capsize": 1.5}
    label = _amount(axis, total)
    drawn = axes.errorbar(own["text_share"], own["value"], label=label, **bars, **look)
    for row in records(own[own["standing"] != BEHIND]):
        fill = color if row.standing == BEST else to_light(color)
        axes.plot(row.text_share, row.value, "o", color=color, markerfacecolor=fill, zorder=3)
    return drawn


def to_light(color: str) -> tuple:
    """The colour of a split that is as good as the best one."""
    return (color, 0.45)


def _amount(axis: str, total: float) -> str:
    if axis == "params":
        return f"{total / 1e9:.2f} B" if total >= 999.5e6 else f"{total / 1e6:.3g} M"
    return f"{total / 1e3:.3g} TFLOP" if total >= 999.5 else f"{total:.2g} GFLOP"


def _legend(looks: dict[str, str], pairs: pd.DataFrame) -> list[Line2D]:
    handles = [
        Line2D([], [], marker=marker, label=f"trained, {size}", **_PAIR)
        for size, marker in looks.items()
    ]
    split: dict[str, Any] = {"marker": "o", "color": style.GREY}
    handles += [
        Line2D([], [], label="best split", **split),
        Line2D([], [], markerfacecolor=to_light(style.GREY), label="as good", **split),
        Line2D([], [], markerfacecolor="white", label="behind", **split),
    ]
    hollow = {"marker": next(iter(looks.values())), "markersize": _PAIR["markersize"]}
    return handles + style.cell_marks(pairs, markeredgecolor=_PAIR["color"], **hollow)
