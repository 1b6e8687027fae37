"""Two families of curves on one pair of axes: one solid and filled, the other dashed and white."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import quality_curves, style
from .quality_curves import Quality

_DASHED = (0, (3, 1.5))
_RING = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "linestyle": "none"}
_RING |= {"markeredgewidth": 0.7}


def draw_family(axes: Axes, quality: Quality, axis: str, solid: bool) -> None:
    """The metric of one family against cost: envelope, curves with intervals, failures."""
    line_style = "-" if solid else _DASHED
    sizes, rows = quality.sizes, quality.points.rows.sort_values(axis)
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    look = {"linestyle": line_style, "linewidth": 2.5, "color": "0.78" if solid else "0.7"}
    quality_curves.draw_envelope(axes, rows, axis, **look)
    for size in sizes:
        own, label = rows[rows["size"] == size], f"{size}, {quality.sampler}"
        look = {"color": colors[size], "linestyle": line_style, "linewidth": 1.1 if solid else 0.9}
        look |= {"marker": marks[size], "markersize": 3, "label": label}
        look["markerfacecolor"] = colors[size] if solid else "white"
        # a ring: white already means the dashed family
        ring = {**_RING, "label": f"{label}, at an end", "zorder": 3}
        style.draw_cells(axes, own[axis], own, quality.seeds, look, 0.6, at_end=ring)


def handle(label: str, solid: bool) -> Line2D:
    """Legend handle of a family."""
    return Line2D([], [], color=style.GREY, linestyle="-" if solid else _DASHED, label=label)


def handles(*families: Quality) -> list[Line2D | Patch]:
    """Legend handles of bands, rings and crosses, where there are any."""
    rows = pd.concat([family.points.rows for family in families])
    return [*style.band_handles(families[0].seeds), *style.cell_marks(rows, **_RING)]
