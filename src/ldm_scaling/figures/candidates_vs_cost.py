"""The best of several images of a prompt beside one image of more steps or of a larger size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import Option, Read
from ..jobs.tables import OK
from ..kinds.candidates import BEST_OF, METHODS
from ..kinds.stages import PRETRAIN
from ..study.metrics import JUDGE
from ..tables.arguments import Confidence, Metric
from ..tables.candidates import gains, over_seeds, read_candidates
from ..tables.curves import envelope
from ..tables.values import Values, with_intervals
from . import style
from .quality_curves import AXIS_LABELS

_WITH = "#00796b"
_STUDENT = (0, (1, 1.2))
_MARKS = dict(zip(METHODS, ("o", "x", "+"), strict=True))
_FILES = {"nargs": 2, "names": ("TABLE", "DRAWS")}
Files = Annotated[
    tuple[Path, Path], Option("candidates.csv and the draws beside it", Path, **_FILES)
]


def read_judged(candidates: Files) -> Values:
    """The judge's score of what is kept."""
    return read_candidates(*candidates, JUDGE)


def read_quality(candidates: Files, metric: Metric) -> Values:
    """The metric that chooses the guidance."""
    return read_candidates(*candidates, metric)


def read_looked(
    candidates: Files, verifier: Annotated[str, "the score that keeps images"]
) -> Values:
    """The score of the verifier."""
    return read_candidates(*candidates, verifier)


def draw(
    judged: Annotated[Values, Read(read_judged)],
    quality: Annotated[Values, Read(read_quality)],
    looked: Annotated[Values, Read(read_looked)],
    confidence: Confidence,
) -> Figure:
    """The figure, from the rows of three metrics of candidates.csv."""
    style.only_n(judged.rows, quality.rows, looked.rows)
    means = [over_seeds(own, confidence) for own in (judged, quality, looked)]
    judge, distance = (with_intervals(own, confidence) for own in means[:2])
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 6.6), layout="constrained")
        (whole, evaluations), (below, beside) = figure.subplots(2, 2)
        _draw_costs(whole, judge, "total_cost")
        _draw_costs(evaluations, judge, "guided_cost")
        _draw_costs(below, distance, "total_cost")
        _draw_gains(beside, gains(means[2]), gains(means[0]), confidence)
        figure.legend(handles=_handles(judge), loc="outside lower center", ncols=3)
    return figure


def _draw_costs(axes: Axes, rows: pd.DataFrame, axis: str) -> None:
    """A line over the number of candidates for each model and step count, and two envelopes."""
    rows = rows[rows["status"] == OK]
    colors = style.size_colors(style.in_order(rows["size"]))
    end = rows[axis].max()
    for own, look in (
        (rows[rows["candidates"] == 1], style.ENVELOPE),
        (rows, {"color": _WITH, "linewidth": 1.1}),
    ):
        best = envelope(own, axis)
        x, y = [*best["cost"], end], [*best["value"], best["value"].iloc[-1]]
        axes.plot(x, y, drawstyle="steps-post", zorder=1.5, **look)
    for (stage, size, _), own in rows.groupby(["stage", "size", "steps"], sort=False):
        color, nested = colors[str(size)], own[own["method"] == BEST_OF].sort_values("candidates")
        line = "-" if stage == PRETRAIN else _STUDENT
        axes.plot(
            nested[axis], nested["value"], color=color, linestyle=line, linewidth=0.9, alpha=0.8
        )
        for method, kept in own.groupby("method", sort=False):
            shown = kept[kept["candidates"].isin([1, own["candidates"].max()])]
            shown = shown if method == BEST_OF else kept.nlargest(1, "candidates")
            mark: dict[str, Any] = {
                "marker": _MARKS[str(method)],
                "linestyle": "none",
                "color": color,
            }
            mark |= {"elinewidth": 0.5, "markersize": 3}
            axes.errorbar(shown[axis], shown["value"], yerr=style.intervals(shown), **mark)
    axes.set(xscale="log", xlabel=AXIS_LABELS[axis], ylabel=_label(rows))
    style.log_ticks(axes.xaxis)


def _label(rows: pd.DataFrame) -> str:
    n = int(rows["n"].iloc[0])
    return f"{style.metric_label(rows['metric'].iloc[0])}\nn = {n} images a cell"


def _draw_gains(axes: Axes, looked: Values, judged: Values, confidence: float) -> None:
    """What choosing gains under the judge, against what it gains under the score that chooses."""
    seen, own = with_intervals(looked, confidence), with_intervals(judged, confidence)
    colors = style.size_colors(style.in_order(seen["size"]))
    for method in seen["method"].unique():
        for size, color in colors.items():
            at = (seen["method"] == method) & (seen["size"] == size)
            of = own[at]
            look: dict[str, Any] = {"color": color, "marker": _MARKS[method], "markersize": 3}
            look |= {"linestyle": "none", "elinewidth": 0.4}
            axes.errorbar(seen.loc[at, "value"], of["value"], style.intervals(of), **look)
    end = float(np.nanmax(seen["value"])) if len(seen) else 1.0
    axes.plot([0, end], [0, end], color=style.GREY, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.axhline(0, color=style.GREY, linewidth=0.6)
    unit = "standard deviations"
    axes.set(xlabel=f"Gain under the verifier ({unit})", ylabel=f"Gain under the judge ({unit})")


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    sizes = [
        Line2D([], [], color=own.get_color(), label=own.get_label())
        for own in style.size_handles(rows)
    ]
    found = rows["method"].unique()
    methods = [
        Line2D([], [], color=style.GREY, marker=_MARKS[name], linestyle="none", label=own.label)
        for name, own in METHODS.items()
        if name in found
    ]
    lines = [
        Line2D([], [], label="one candidate: best within the cost", **style.ENVELOPE),
        Line2D([], [], label="with candidates", color=_WITH),
        Line2D([], [], label="gain alike", color=style.GREY, linestyle=(0, (4, 2))),
    ]
    if (rows["stage"] != PRETRAIN).any():
        lines.append(Line2D([], [], label="students", color=style.GREY, linestyle=_STUDENT))
    return [*sizes, *methods, *lines]
