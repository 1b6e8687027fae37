"""What a curriculum over noise levels is worth at each sampling cost, and at each noise level."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from ..jobs.command import csv
from ..kinds.stages import EASY_TO_HARD, HARD_TO_EASY, PRETRAIN, curriculum_stage
from ..tables.arguments import Confidence, Floors, SeveralCells
from ..tables.noise_bands import NOISE_BANDS
from . import quality_curves, style
from .quality_curves import Quality

_AXIS = "sampling_cost"
_LINES: dict[str, tuple[Any, str]] = {
    PRETRAIN: ("-", "all noise levels from the beginning"),
    curriculum_stage(EASY_TO_HARD): ("--", "high noise first"),
    curriculum_stage(HARD_TO_EASY): (":", "low noise first (control)"),
}
"""line style and name of each arm"""


def draw(
    cells: SeveralCells,
    bands: Annotated[pd.DataFrame, csv("noise_bands.csv", NOISE_BANDS)],
    floors: Floors,
    confidence: Confidence,
) -> Figure:
    """The figure, from the cells of pretrained models and of each arm, and from noise_bands.csv.

    Pretrained models are shown of the sizes and seeds of the arms.
    """
    pretrained, *others = cells
    seeds, sizes = (set(others[0].rows[name]) for name in ("seed", "size"))
    uniform = pretrained.of_seeds(seeds)
    uniform = uniform.where(uniform.rows["size"].isin(sizes))
    arms = [Quality.of(own, floors, confidence) for own in (uniform, *others)]
    style.only_n(*(own.cells.rows for own in arms))
    shown = list(dict.fromkeys((arms[0].sizes[0], arms[0].sizes[-1])))
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 4.8), layout="constrained")
        places = GridSpec(len(shown), 2, figure)
        _draw_quality(figure.add_subplot(places[:, 0]), arms)
        for row, size in enumerate(shown):
            panel = figure.add_subplot(places[row, 1])
            _draw_bands(panel, bands[bands["size"] == size])
            panel.set_ylabel(f"{size}: loss by noise level")
        panel.set_xlabel("Images seen")
        levels = bands.drop_duplicates("band").sort_values("band")
        figure.legend(handles=_handles(arms), loc="outside lower left", ncols=1)
        figure.legend(handles=_band_handles(levels), loc="outside lower right", ncols=2)
    return figure


def _draw_quality(axes: Axes, arms: list[Quality]) -> None:
    sizes = arms[0].sizes
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    axes.set_xscale("log")
    for quality in arms:
        rows = quality.points.rows.sort_values(_AXIS, kind="stable")
        line, _ = _LINES[rows["stage"].iloc[0]]
        for size in sizes:
            own, label = rows[rows["size"] == size], f"{size}, {rows['stage'].iloc[0]}"
            look = {"color": colors[size], "linestyle": line, "label": label}
            look |= {"marker": marks[size], "markersize": 3}
            ring = {"markerfacecolor": "white"}
            style.draw_cells(axes, own[_AXIS], own, quality.seeds, look, 0.7, at_end=ring)
    every = pd.concat([own.points.rows for own in arms])
    quality_curves.draw_floors(axes, arms[0].floors, every)
    quality_curves.make_room(axes)
    axes.set(xlabel=quality_curves.AXIS_LABELS[_AXIS], ylabel=arms[0].label)
    style.log_ticks(axes.xaxis)


def _draw_bands(axes: Axes, rows: pd.DataFrame) -> None:
    """The losses of one size: a colour for each band, a line style for each arm."""
    colors = style.sequence(sorted(rows["band"].unique()), "viridis")
    for (stage, band), own in rows.groupby(["stage", "band"]):
        line, name = _LINES[str(stage)]
        own = own.sort_values("images")
        look = {"color": colors[band], "linestyle": line, "label": f"band {band}, {name}"}
        seeds = int(own["seeds"].iloc[0])
        style.draw_curve(axes, own["images"], own, seeds, 0.6, **look, linewidth=0.9, marker=".")
    axes.set(xscale="log", yscale="log")
    style.log_ticks(axes.xaxis)
    style.log_ticks(axes.yaxis)


def _handles(arms: list[Quality]) -> list:
    """Sizes, arms, and what the marks of the left panel mean."""
    every = pd.concat([own.points.rows for own in arms])
    lines = [
        Line2D([], [], color=style.GREY, linestyle=line, label=name)
        for line, name in _LINES.values()
    ]
    marks = style.cell_marks(every)
    return [*style.size_handles(every), *lines, *style.band_handles(arms[0].seeds), *marks]


def _band_handles(levels: pd.DataFrame) -> list[Line2D]:
    colors = style.sequence(list(levels["band"]), "viridis")
    return [
        Line2D(
            [], [], color=colors[row.band], label=f"timesteps {row.first_level} to {row.last_level}"
        )
        for row in levels.itertuples()
    ]
