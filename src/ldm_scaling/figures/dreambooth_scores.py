"""How well each size keeps subjects, prompts and classes after it was taught subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import Read
from ..jobs.tables import OK, read_table
from ..kinds.stages import DREAMBOOTH, PRETRAIN
from ..tables.arguments import Confidence
from ..tables.dreambooth import ALL, SCORES, of_all, read_scores
from ..tables.values import Values, with_intervals
from . import style

_LOOKS: dict[str, dict[str, Any]] = {
    DREAMBOOTH: {"color": "#c1121f", "marker": "o", "label": "taught, all subjects"},
    PRETRAIN: {"color": style.GREY, "marker": "s", "linestyle": "--", "label": "before"},
}
_BESIDE = {DREAMBOOTH: 1.0, PRETRAIN: 1.04}
"""factors of the place, so that bars do not hide each other"""
_EACH = {"color": "#c1121f", "linewidth": 0.5, "alpha": 0.35}
_COLUMNS = 3


def in_order(metrics: pd.Series) -> list[str]:
    """Different metrics: of the subject, of the prompt, of the class."""
    found = sorted(set(metrics))
    last = [name for name in found if name.startswith("drift_")]
    middle = [name for name in found if name in ("clip_score", "clip_like")]
    return [*(name for name in found if name not in (*middle, *last)), *middle, *last]


def read_every_score(
    table: Annotated[Path, "dreambooth.csv"],
    draws: Annotated[Path, "draws.safetensors beside it"],
) -> list[Values]:
    """The values of each metric."""
    return [
        read_scores(table, draws, metric)
        for metric in in_order(read_table(table, SCORES)["metric"])
    ]


def draw(scores: Annotated[list[Values], Read(read_every_score)], confidence: Confidence) -> Figure:
    """The figure, of the values of each metric, those of `read_scores`."""
    seeds = scores[0].rows["seed"].nunique()
    failed = any((values.rows["status"] != OK).any() for values in scores)
    rows, columns = -(-len(scores) // _COLUMNS), min(len(scores), _COLUMNS)
    with style.theme():
        handles = _legend(seeds, failed)
        beside = 4 if columns == _COLUMNS else 2  # a narrow figure has no room for all
        below = 0.35 + 0.17 * (-(-len(handles) // beside) - 1)
        size = (style.WIDTH * columns / _COLUMNS, 2.5 * rows + below)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, values in zip(panels, scores, strict=False):
            _draw_metric(axes, values, confidence)
        for axes in list(panels)[len(scores) :]:
            axes.set_axis_off()
        figure.legend(handles=handles, loc="outside lower center", ncols=beside)
    return figure


def _draw_metric(axes: Axes, values: Values, confidence: float) -> None:
    axes.set_xscale("log")
    seeds = values.rows["seed"].nunique()
    each = values.rows[(values.rows["stage"] == DREAMBOOTH) & (values.rows["subject"] != ALL)]
    for subject, own in each.groupby("subject"):
        means = own.groupby("params")["value"].mean()
        axes.plot(means.index / 1e6, means, label=f"subject {subject}", **_EACH)
    sizes = values.rows.drop_duplicates("size").sort_values("params")
    for stage, look in _LOOKS.items():
        rows = _means(of_all(values, stage), confidence)
        own, failed = rows[rows["value"].notna()], rows[rows["value"].isna()]
        if len(own):
            place = own["params"] / 1e6 * _BESIDE[stage]
            style.draw_curve(axes, place, own, seeds, 0.9, capsize=2, **look)
        style.draw_failed(axes, failed["params"] / 1e6, look["color"])
    # intervals are those of a few subjects, however many images each has
    n = f"n = {each['subject'].nunique()} subjects, {style.only_n(each)} images each"
    axes.set_ylabel(f"{style.metric_label(values.rows['metric'].iloc[0])}\n{n}")
    style.name_sizes(axes, sizes)


def _means(values: Values, confidence: float) -> pd.DataFrame:
    """Means over training seeds with their intervals, smallest size first."""
    if values.rows.empty:
        return values.rows
    return with_intervals(values.over_seeds(confidence), confidence).sort_values("params")


def _legend(seeds: int, failed: bool) -> list:
    handles = [Line2D([], [], **look) for look in _LOOKS.values()]
    handles.append(Line2D([], [], label="taught, one subject", **_EACH))
    handles += style.band_handles(seeds, "subjects, images")
    return handles + [style.failed_mark(style.GREY)] * failed
