"""Stitched trajectories beside single sizes at the same sampling cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..jobs.command import Option, Read
from ..jobs.tables import OK, records
from ..kinds.metrics import sign
from ..tables.arguments import Cells, Confidence, Floors, Metric
from ..tables.curves import best_points, envelope
from ..tables.stitch import read_stitched, rivals
from ..tables.values import Values, interval
from . import quality_curves, style
from .quality_curves import Quality

_AXIS = "sampling_cost"
_FIRST, _CONTROL = "#00796b", "0.45"
_MARKERS = "*PXd8H"
_ASIDE = 1.02
"""by what the control is drawn to the right, where each of its costs is also one of the others"""
_ARROW = " \N{RIGHTWARDS ARROW} "
_FILES = {"nargs": 2, "names": ("TABLE", "DRAWS")}
StitchFiles = Annotated[
    tuple[Path, Path], Option("stitch.csv and the draws beside it", Path, **_FILES)
]


def gains(stitched: Values, singles: Values, axis: str, confidence: float) -> pd.DataFrame:
    """The rows of `stitched` with gain, gain_lo and gain_hi.

    The log ratio of the best of the rivals (`tables.stitch.rivals`), chosen on each draw, to the
    trajectory's metric, or the reverse where higher is better; nan where there is none, or where
    the trajectory failed. Both Values are those of `best_points`.
    """
    found, better = [], sign(singles.metric)
    for row, draws in zip(records(stitched.rows), stitched.draws, strict=True):
        within = rivals(singles, axis, getattr(row, axis))
        if len(within) and row.status == OK:
            best = better * (better * within).min(axis=0)
            found.append(interval(better * np.log(best / draws), confidence))
        else:
            found.append((np.nan, np.nan, np.nan))
    names = ["gain", "gain_lo", "gain_hi"]
    return stitched.rows.join(pd.DataFrame(found, columns=names, index=stitched.rows.index))


def read_trajectories(stitch: StitchFiles, metric: Metric) -> Values:
    """The cells of stitched trajectories."""
    return read_stitched(*stitch, metric)


def draw(
    cells: Cells,
    stitched: Annotated[Values, Read(read_trajectories)],
    floors: Floors,
    confidence: Confidence,
) -> Figure:
    """The figure, from the cells of single sizes, those of `read_stitched`, and floors.csv."""
    quality = Quality.of(cells.of_seeds(stitched.rows["seed"]), floors, confidence)
    style.only_n(cells.rows, stitched.rows)
    rows = gains(best_points(stitched, confidence), quality.points, _AXIS, confidence)
    rows = rows.assign(name=rows["sizes"].str.replace("-", _ARROW))
    looks = _looks(rows)
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(4, 3))
        quality_curves.draw_quality(left, None, quality, _AXIS)
        left.set_ylabel(quality.label)
        for rising, own in rows.groupby("rising"):
            _draw_frontier(left, own, bool(rising), rows[_AXIS].max())
        for name, own in rows.groupby("name", sort=False):
            _draw_points(left, own, looks[name])
            _draw_gains(right, own, looks[name])
        right.axhline(0, color=style.GREY, linewidth=0.9, zorder=1)
        right.set(xscale="log", xlabel=quality_curves.AXIS_LABELS[_AXIS])
        right.set_ylabel("Better than the best single size\nwithin the cost (log ratio)")
        right.yaxis.set_major_locator(MaxNLocator(7))
        style.log_ticks(right.xaxis)
        figure.legend(handles=_handles(quality, rows, looks), loc="outside lower center", ncols=3)
    return figure


def _looks(rows: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    """How each sequence of sizes is marked, those that rise first: a marker for the same sizes."""
    listed = rows.drop_duplicates("name").sort_values("rising", ascending=False, kind="stable")
    sets = [frozenset(name.split(_ARROW)) for name in listed["name"]]
    number = {sizes: i for i, sizes in enumerate(dict.fromkeys(sets))}
    return {
        name: {
            "marker": _MARKERS[number[sizes] % len(_MARKERS)],
            "markersize": 5,
            "linestyle": "none",
            "color": _FIRST if rising else _CONTROL,
        }
        for name, rising, sizes in zip(listed["name"], listed["rising"], sets, strict=True)
    }


def _draw_frontier(axes: Axes, rows: pd.DataFrame, rising: bool, end: float) -> None:
    best = envelope(rows, _AXIS)
    label = "frontier" if rising else "control frontier"
    if len(best):
        x, y = [*best["cost"], end], [*best["value"], best["value"].iloc[-1]]
        axes.plot(x, y, drawstyle="steps-post", zorder=2, label=label, **_frontier(rising))


def _frontier(rising: bool) -> dict[str, Any]:
    return {
        "color": _FIRST if rising else _CONTROL,
        "linestyle": "-" if rising else (0, (3, 1.5)),
        "linewidth": 1.4 if rising else 1.0,
    }


def _draw_points(axes: Axes, rows: pd.DataFrame, look: dict[str, Any]) -> None:
    ok = rows["status"] == OK
    own, name, x = rows[ok], rows["name"].iloc[0], rows[_AXIS]
    bars: dict[str, Any] = {"color": look["color"], "linewidth": 0.7, "zorder": 3.9}
    axes.vlines(x[ok], own["lo"], own["hi"], label=f"{name}, intervals", **bars)
    style.draw_marks(axes, x, own, zorder=4, label=name, **look)
    style.draw_failed(axes, rows.loc[~ok, _AXIS], look["color"])


def _draw_gains(axes: Axes, rows: pd.DataFrame, look: dict) -> None:
    ends = [rows["gain"] - rows["gain_lo"], rows["gain_hi"] - rows["gain"]]
    first = rows.iloc[0]
    cost = rows[_AXIS] * (1 if first["rising"] else _ASIDE)
    axes.errorbar(cost, rows["gain"], yerr=ends, elinewidth=0.8, label=first["name"], **look)


def _handles(quality: Quality, rows: pd.DataFrame, looks: dict[str, dict]) -> list[Line2D]:
    """Single sizes, stitched ones, and what is drawn of both."""
    handles = style.size_handles(quality.points.rows)
    handles += [Line2D([], [], label=name, **look) for name, look in looks.items()]
    words = {True: "best stitched within the cost", False: "the same, not small to large"}
    for rising in sorted(rows["rising"].unique(), reverse=True):
        handles.append(Line2D([], [], label=words[rising], **_frontier(rising)))
    every = pd.concat([quality.points.rows, rows], ignore_index=True)
    handles += [quality_curves.envelope_handle(), *quality_curves.seed_handles(quality)]
    return handles + style.cell_marks(every)
