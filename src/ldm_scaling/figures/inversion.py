"""Noise that was made for a score: judge, verifier and distance against the cost of each way.

A size has one colour. Unit noise and ascent for each image are joined by a line, as the best of
several images of the same student are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import Option, Read
from ..kinds.candidates import BEST_OF
from ..kinds.noises import ASCENT, LABELS, NONE, kind
from ..kinds.stages import DISTILL
from ..tables import candidates as kept
from ..tables.arguments import Confidence
from ..tables.inverted import over_seeds, read_inverted
from ..tables.values import Values, with_intervals
from . import quality_curves, style

_AXIS = "total_cost"
_MARKERS = dict(zip(LABELS, "osD^", strict=True))
_BEST_OF: dict[str, Any] = {"linestyle": (0, (2, 1.5)), "marker": ".", "markersize": 3}
_Files = Annotated[
    tuple[Path, Path], Option("inversion.csv and its draws", Path, 2, ("TABLE", "DRAWS"))
]
_Beside = Annotated[
    tuple[Path, Path] | None, Option("candidates.csv and its draws", Path, 2, ("TABLE", "DRAWS"))
]
Panels = list[tuple[Values, Values | None]]


def read_panels(
    inversion: _Files,
    metrics: Annotated[list[str], "metrics to draw, one a panel"],
    candidates: _Beside = None,
) -> Panels:
    """The cells of made noise by metric, and the best of several images of such students."""
    return [
        (read_inverted(*inversion, metric), candidates and _students(candidates, metric))
        for metric in metrics
    ]


def _students(files: tuple[Path, Path], metric: str) -> Values:
    own = kept.read_candidates(*files, metric)
    rows = own.rows
    return own.where(
        (rows["stage"] == DISTILL) & (rows["steps"] == 1) & (rows["method"] == BEST_OF)
    )


def draw(panels: Annotated[Panels, Read(read_panels)], confidence: Confidence) -> Figure:
    """The figure, from the cells of each metric."""
    style.only_n(*(own.rows for own, _ in panels))
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 3.6), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for own, (made, rivals) in zip(axes, panels, strict=True):
            _draw_panel(own, made, rivals, confidence)
        axes[len(panels) // 2].set_xlabel(quality_curves.AXIS_LABELS[_AXIS].replace("\n", " "))
        rows = panels[0][0].rows
        handles = _handles(rows, beside=panels[0][1] is not None)
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_panel(axes: Axes, values: Values, rivals: Values | None, confidence: float) -> None:
    rows = with_intervals(over_seeds(values, confidence), confidence)
    sizes = style.in_order(rows["size"])
    colors = style.size_colors(sizes)
    best = None
    if rivals is not None and len(rivals.rows):
        best = with_intervals(kept.over_seeds(rivals, confidence), confidence)
    for size in sizes:
        own = rows[rows["size"] == size].sort_values(_AXIS)
        color, kinds = colors[size], own["noise"].map(kind)
        line = own[kinds.isin([NONE, ASCENT])]
        axes.plot(line[_AXIS], line["value"], color=color, linewidth=0.9, label=f"{size} line")
        if best is not None:
            of = best[best["size"] == size].sort_values("candidates")
            axes.plot(of[_AXIS], of["value"], color=color, label=f"{size} candidates", **_BEST_OF)
        for noise, cells in own.groupby(kinds, sort=False):
            look: dict[str, Any] = {"color": color, "marker": _MARKERS[str(noise)]}
            look |= {"linestyle": "none", "label": f"{size} {noise}"}
            style.draw_curve(axes, cells[_AXIS], cells, 1, 0.7, **look)
    axes.set(xscale="log", ylabel=style.metric_label(values.metric).replace(" (", "\n("))
    style.log_ticks(axes.xaxis)


def _handles(rows: pd.DataFrame, beside: bool) -> list[Line2D]:
    sizes = style.in_order(rows["size"])
    colors = style.size_colors(sizes)
    found = [Line2D([], [], color=colors[size], linewidth=2, label=size) for size in sizes]
    there = [noise for noise in LABELS if noise in set(rows["noise"].map(kind))]
    look: dict[str, Any] = {"color": style.GREY, "linestyle": "none"}
    found += [
        Line2D([], [], marker=_MARKERS[noise], label=LABELS[noise], **look) for noise in there
    ]
    words = "best of several images"
    return found + ([Line2D([], [], color=style.GREY, label=words, **_BEST_OF)] if beside else [])
