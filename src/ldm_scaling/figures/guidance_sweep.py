"""A metric against the guidance scale: a panel for each size, a line for each step count."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..jobs.tables import OK
from ..tables.arguments import Cells, Confidence, Floors
from . import guidance_lines, quality_curves, style
from .guidance_lines import looks_of
from .quality_curves import Quality


def draw(cells: Cells, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv."""
    quality = Quality.of(cells, floors, confidence)
    rows, best, floors = quality.grid(), quality.points.rows, quality.floors
    near = floors[~quality_curves.far_floors(floors, rows)]
    sizes = style.in_order(rows["size"])
    looks = looks_of(sorted(set(rows["steps"])), "{} steps")
    with style.theme():
        handles = _legend(rows, best, floors, looks) + style.band_handles(quality.seeds)
        wide = quality.seeds > 1 or len(near) < len(floors)  # labels of bands and far floors
        legend_columns = 4 if wide else 6
        more = max(0, -(-len(handles) // legend_columns) - 2)
        labels = {"xlabel": "Guidance scale", "ylabel": quality.label}
        figure, panels = style.size_panels(len(sizes), 2.6, 0.8 + 0.17 * more, **labels)
        for size, axes in zip(sizes, panels, strict=True):
            own = rows[rows["size"] == size]
            style.draw_floors(axes, near)
            _draw_panel(axes, own, best[best["size"] == size], looks, quality.seeds)
            axes.set_title(style.size_label(size, own["params"].iloc[0]))
        style.scale_values(panels[0], rows, near)
        panels[0].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns)
    return figure


def _draw_panel(
    axes: Axes, cells: pd.DataFrame, best: pd.DataFrame, looks: dict[int, dict], seeds: int
) -> None:
    guidance_lines.draw_lines(axes, cells, "guidance", "steps", looks, seeds, apart=0.05)
    star = {"marker": "*", "markersize": 8, "markeredgewidth": 0.8, "label": "best", "zorder": 4}
    for count, look in looks.items():
        chosen = best[(best["steps"] == count) & (best["status"] == OK)]
        style.draw_marks(axes, chosen["guidance"], chosen, color=look["color"], **star)


def _legend(
    rows: pd.DataFrame, best: pd.DataFrame, floors: pd.DataFrame, looks: dict[int, dict]
) -> list[Line2D]:
    labels = ("chosen guidance", "chosen at an end of the grid")
    handles = guidance_lines.handles(looks, best, style.GREY, labels)
    handles += quality_curves.floor_handles(floors, rows)
    return handles + [style.failed_mark(style.GREY)] * bool((rows["status"] != OK).any())
