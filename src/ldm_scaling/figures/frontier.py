"""Every way to spend a budget on one axis: the best of all, and what each setting adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..jobs.command import Option, csv
from ..jobs.tables import OK, records
from ..kinds.stages import STITCH
from ..tables.arguments import Metric
from ..tables.choose import described, read_frontier
from ..tables.curves import AXES
from ..tables.frontier import ENVELOPE, LEVERS
from . import style
from .quality_curves import AXIS_LABELS

_MAIN = "guided_cost"
_SHORT = {
    "sampling_cost": "Sampling cost",
    "total_cost": "Total cost: all arithmetic",
    "seconds": "Seconds an image",
}
_MIXED = "#00796b"
_SMALL: Any = {"markersize": 3, "linestyle": "none", "alpha": 0.7, "markeredgewidth": 0.6}
_MOST_LEVERS = 18


def draw(
    frontier: Annotated[pd.DataFrame, Option("frontier.csv", Path, read=read_frontier)],
    envelope: Annotated[pd.DataFrame, csv("envelope.csv", ENVELOPE, may_be_empty=True)],
    levers: Annotated[pd.DataFrame, csv("levers.csv", LEVERS, may_be_empty=True)],
    metric: Metric,
) -> Figure:
    """The figure, from the tables frontier.csv, envelope.csv and levers.csv."""
    rows = frontier[frontier["metric"] == metric]
    best = envelope[envelope["metric"] == metric]
    looks = _looks(rows)
    with style.theme():
        listed = best[best["axis"] == _MAIN]
        figure = Figure(figsize=(style.WIDTH, 7), layout="constrained")
        (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.6, 2.2))
        heights = (max(1, len(listed)), 2 + min(_MOST_LEVERS, (levers["axis"] == _MAIN).sum()))
        left, right = above.subfigures(1, 2, width_ratios=(3, 2))
        # figures of their own: long names of settings would push those of configurations aside
        names, gains = right.subfigures(2, 1, height_ratios=heights)
        main = left.subplots()
        _draw_axis(main, rows, best, _MAIN, looks, numbered=True)
        main.set_ylabel(f"{style.metric_label(metric)}\nn = {style.only_n(rows)} images a cell")
        _name(names.subplots(), listed, rows)
        _draw_levers(gains.subplots(), levers[levers["axis"] == _MAIN])
        others = [axis for axis in AXES if axis != _MAIN]
        for axes, axis in zip(below.subplots(1, len(others), sharey=True), others, strict=True):
            _draw_axis(axes, rows, best, axis, looks, numbered=False)
        figure.legend(handles=_legend(rows, looks), loc="outside lower center", ncols=6)
    return figure


def _looks(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The look of each size; trajectories of several sizes share one."""
    mixed = list(rows.loc[rows["stage"] == STITCH, "size"].unique())
    single = style.in_order(size for size in rows["size"] if size not in mixed)
    looks = {size: {"color": color} for size, color in style.size_colors(single).items()}
    return looks | {size: {"color": _MIXED} for size in mixed}


def _marks(rows: pd.DataFrame) -> dict[str, str]:
    """A marker for each stage."""
    return style.markers(list(dict.fromkeys(rows["stage"])))


def _draw_axis(
    axes: Axes,
    rows: pd.DataFrame,
    best: pd.DataFrame,
    axis: str,
    looks: dict[str, dict[str, Any]],
    *,
    numbered: bool,
) -> None:
    """Every configuration, and the best within each cost with its interval."""
    sound, marks = rows[rows["status"] == OK], _marks(rows)
    axes.set_xscale("log")
    for (stage, size), own in sound.groupby(["stage", "size"], sort=False):
        look = looks[str(size)] | {"marker": marks[str(stage)], "label": f"{size} {stage}"}
        axes.plot(own[axis], own["value"], **(look | _SMALL))
    style.scale_values(axes, sound)
    axes.set_xlabel(AXIS_LABELS[axis] if numbered else _SHORT[axis])
    own = best[best["axis"] == axis].sort_values("cost")
    if own.empty:  # every cell failed
        return
    ends = [*own["cost"], sound[axis].max()]
    values = (own[["value", "lo", "hi"]].add(own["luck"], axis=0)).T.to_numpy(float)
    value, lo, hi = (np.append(line, line[-1]) for line in values)
    axes.fill_between(ends, lo, hi, step="post", color=style.GREY, alpha=0.15, linewidth=0)
    axes.plot(ends, value, drawstyle="steps-post", color="black", linewidth=1, label="envelope")
    if numbered:
        for number, (cost, place) in enumerate(zip(own["cost"], value, strict=False), start=1):
            axes.annotate(
                str(number),
                (cost, place),
                (2, -3),
                textcoords="offset points",
                va="top",
                fontsize=6,
            )
    style.log_ticks(axes.xaxis)


def _name(axes: Axes, listed: pd.DataFrame, rows: pd.DataFrame) -> None:
    """The configurations of the envelope by their numbers."""
    names = rows.set_index("cell")
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])
    for number, row in enumerate(records(listed), start=1):
        place = (0, 1 - (number - 0.5) / len(listed))
        text = f"{number}  {described(names.loc[row.cell], rows)}"
        axes.annotate(text, place, xycoords="axes fraction", va="center", fontsize=5.2)


def _draw_levers(axes: Axes, levers: pd.DataFrame) -> None:
    """What the envelope loses without each setting, the largest loss first."""
    own = levers.sort_values("gain", ascending=False).head(_MOST_LEVERS)[::-1]
    names = [f"{row.lever} {row.without}" for row in records(own)]
    gains = own.rename(columns={"gain": "value"})
    axes.errorbar(
        gains["value"],
        range(len(own)),
        xerr=style.intervals(gains),
        color="black",
        marker="o",
        markersize=3,
        linestyle="none",
        elinewidth=0.8,
        label="gain",
    )
    axes.axvline(0, color="0.6", linewidth=0.7)
    axes.set_yticks(range(len(own)), names, fontsize=6)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("Loss of the envelope\nwithout it (log ratio)")


def _legend(rows: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> list[Line2D]:
    mixed = set(rows.loc[rows["stage"] == STITCH, "size"])
    single = [size for size in looks if size not in mixed]
    handles = [
        Line2D([], [], marker="o", linestyle="none", label=size, **looks[size]) for size in single
    ]
    if mixed:
        handles.append(
            Line2D([], [], marker="o", linestyle="none", color=_MIXED, label="several sizes")
        )
    for stage, mark in _marks(rows).items():
        handles.append(Line2D([], [], marker=mark, linestyle="none", color=style.GREY, label=stage))
    best = {"color": "black", "linewidth": 1, "label": "the best within a cost"}
    return [*handles, Line2D([], [], **best)]
