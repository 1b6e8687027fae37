"""How the best guidance depends on steps and size."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..jobs.cli import InputError
from ..jobs.tables import OK, records
from ..tables.arguments import Cells, Confidence, Floors
from . import guidance_lines, quality_curves, style
from .guidance_lines import looks_of
from .quality_curves import Quality

_TINT = 0.5
"""share of white in the colours of fields, on which a number must be read"""
_FEW_STEPS = 5
"""step counts that are all named on an axis"""
Sizes = Annotated[list[str], "sizes to draw a panel of"]


def draw(cells: Cells, floors: Floors, confidence: Confidence, sizes: Sizes) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv; panels of `sizes`.

    Raises InputError if a size is not there.
    """
    quality = Quality.of(cells, floors, confidence)
    rows, best, floors = quality.grid(), quality.points.rows, quality.floors
    if unknown := sorted(set(sizes) - set(rows["size"])):
        raise InputError(f"size {unknown[0]} is not in the table of cells: figures.guidance_sizes")
    scales, shown = sorted(set(rows["guidance"])), rows[rows["size"].isin(sizes)]
    near = floors[~quality_curves.far_floors(floors, shown)]
    with style.theme():
        every, looks = style.in_order(rows["size"]), looks_of(scales, "guidance {:g}")
        handles = _legend(shown, best, floors, looks)
        handles += style.band_handles(quality.seeds)
        wide = quality.seeds > 1 or len(near) < len(floors)  # labels of bands and far floors
        columns = 4 if wide else 5
        height = 2.7 + 0.1 * len(every) + 0.17 * -(-len(handles) // columns)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        ratios = [1] * len(sizes) + [1.3]
        *panels, right = figure.subplots(1, len(sizes) + 1, width_ratios=ratios)
        _share_values(panels)
        for axes, size in zip(panels, style.in_order(sizes), strict=True):
            own = rows[rows["size"] == size]
            style.draw_floors(axes, near)
            _draw_panel(axes, own, best[best["size"] == size], looks, quality.seeds)
            axes.set_title(style.size_label(size, own["params"].iloc[0]))
        style.scale_values(panels[0], shown, near)
        panels[0].set_ylabel(quality.label)
        _draw_map(right, best, every, scales)
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _draw_panel(
    axes: Axes, cells: pd.DataFrame, best: pd.DataFrame, looks: dict[float, dict], seeds: int
) -> None:
    axes.set_xscale("log")
    guidance_lines.draw_lines(axes, cells, "steps", "guidance", looks, seeds, apart=0.04)
    chosen = best[best["status"] == OK].sort_values("steps")
    star = {"marker": "*", "markersize": 7, "markeredgewidth": 0.7, "zorder": 4}
    style.draw_marks(axes, chosen["steps"].astype(int), chosen, color="0", label="best", **star)
    axes.set_xlabel("Sampling steps")
    axes.margins(x=0.08)
    style.log_ticks(axes.xaxis)
    steps = sorted(int(count) for count in set(cells["steps"]))
    if len(steps) <= _FEW_STEPS:
        axes.set_xticks(steps, map(str, steps))


def _share_values(panels: list[Axes]) -> None:
    for axes in panels[1:]:
        axes.sharey(panels[0])
        axes.tick_params(labelleft=False)


def _draw_map(axes: Axes, best: pd.DataFrame, sizes: list[str], scales: list[float]) -> None:
    steps = sorted(int(count) for count in set(best["steps"]))
    colors = style.sequence(scales, "viridis")
    sampled = {(row.size, row.steps): row for row in records(best)}
    for y, size in enumerate(sizes):
        for x, count in enumerate(steps):
            if (row := sampled.get((size, count))) is None:
                continue  # a size need not take all step counts
            if row.status != OK:
                axes.plot(x, y, color=style.GREY, marker="x", ls="none", label=f"{size} failed")
                continue
            _draw_field(axes, x, y, row, colors)
    axes.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.5, len(sizes) - 0.5))
    axes.set_xticks(range(len(steps)), map(str, steps))
    axes.set_yticks(range(len(sizes)), sizes)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set(xlabel="Sampling steps", title="Best guidance scale")


def _draw_field(axes: Axes, x: int, y: int, chosen: Any, colors: dict[float, str]) -> None:
    scale = chosen.guidance
    tint = [1 - (1 - _TINT) * (1 - part) for part in to_rgb(colors[scale])]
    hatch = "////" if chosen.at_boundary else None
    look = {"facecolor": tint, "hatch": hatch, "edgecolor": "0.45", "linewidth": 0}
    axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, zorder=0.5, **look))
    axes.annotate(
        f"{scale:.3g}",
        (x, y),
        ha="center",
        va="center",
        fontsize=6.5,
        bbox={"facecolor": tint, "linewidth": 0, "pad": 0.8},
    )


def _legend(
    rows: pd.DataFrame, best: pd.DataFrame, floors: pd.DataFrame, looks: dict[float, dict]
) -> list[Line2D]:
    labels = ("best guidance", "at an end of the grid (hatched)")
    handles = guidance_lines.handles(looks, best, "0", labels)
    handles += quality_curves.floor_handles(floors, rows)
    failed = (rows["status"] != OK).any() or (best["status"] != OK).any()
    return handles + [style.failed_mark(style.GREY)] * bool(failed)
