"""Each further sampler of the study against its first one: quality at the same sampling cost.

Solid lines are the sampler that a panel is about, dashed ones the first. The idea is that of Mei et
al., arXiv 2404.01367, Figure 11.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..cli import run
from ..tables.collect import OK
from ..tables.values import Values
from . import quality_curves, style
from .quality_curves import Quality

_AXIS = "sampling_cost"
_DASHED = (0, (3, 1.5))
_RING = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "linestyle": "none"}
_RING |= {"markeredgewidth": 0.7}


def draw(cells: list[Values], floors: pd.DataFrame, confidence: float) -> Figure:
    """The figure, from the cells of a metric with each sampler, in their order, and floors.csv.

    Of one sampler alone it shows that one, and says so.
    Raises InputError if the metric is not in floors.csv, or if n differ.
    """
    first, *others = (Quality.of(own, floors, confidence) for own in cells)
    style.only_n(*(own.rows for own in cells))
    count = max(1, len(others))
    with style.theme():
        height = 3.6 + 0.06 * len(first.sizes)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
        for axes, other in zip(panels, others or [None], strict=True):
            _draw_panel(axes, first, other)
        every = pd.concat([own.points.rows for own in (first, *others)])
        for axes in panels:
            quality_curves.draw_floors(axes, first.floors, every)
            style.log_ticks(axes.xaxis)
        quality_curves.make_room(panels[0])
        metric = style.metric_label(first.points.rows["metric"].iloc[0])
        panels[0].set_ylabel(f"{metric}\nn = {first.n} images a cell")
        figure.legend(handles=_legend(first, others), loc="outside lower center", ncols=4)
    return figure


def _draw_panel(axes: Axes, first: Quality, other: Quality | None) -> None:
    axes.set_xscale("log")
    title = f"{first.sampler} alone: the study has no other sampler"
    if other is None:
        _draw_sampler(axes, first, "-")
    else:
        title = f"{other.sampler} against {first.sampler} (dashed)"
        _draw_sampler(axes, first, _DASHED)
        _draw_sampler(axes, other, "-")
    axes.set(xlabel=quality_curves.AXIS_LABELS[_AXIS], title=title)


def _draw_sampler(axes: Axes, quality: Quality, line_style: str | tuple) -> None:
    solid, sizes, rows = line_style == "-", quality.sizes, quality.points.rows.sort_values(_AXIS)
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    look = {"linestyle": line_style, "linewidth": 2.5, "color": "0.78" if solid else "0.7"}
    quality_curves.draw_envelope(axes, rows, _AXIS, **look)
    for size in sizes:
        every, color = rows[rows["size"] == size], colors[size]
        own = every[every["status"] == OK]
        style.draw_curve(
            axes,
            own[_AXIS],
            own,
            quality.seeds,
            0.6,
            color=color,
            linestyle=line_style,
            linewidth=1.1 if solid else 0.9,
            marker=marks[size],
            markersize=3,
            markerfacecolor=color if solid else "white",
            label=f"{size}, {quality.sampler}",
        )
        at_end = own[own["at_boundary"]]
        if len(at_end):  # a ring: white already means the first sampler
            ring = {"label": f"{size}, {quality.sampler}, at an end", "zorder": 3}
            axes.plot(at_end[_AXIS], at_end["value"], color=color, **_RING, **ring)
        if len(own) < len(every):
            style.draw_failed(axes, every.loc[every["status"] != OK, _AXIS], color)


def _legend(first: Quality, others: list[Quality]) -> list[Line2D | Patch]:
    dashed = [Line2D([], [], color=style.GREY, linestyle=_DASHED, label=first.sampler)]
    handles = [*quality_curves.size_handles(first), *(dashed if others else [])]
    handles += [quality_curves.envelope_handle(), *style.band_handles(first.seeds)]
    every = pd.concat([own.points.rows for own in (first, *others)])
    if every["at_boundary"].any():
        label = "guidance chosen at an end of the grid"
        handles.append(Line2D([], [], color=style.GREY, label=label, **_RING))
    if (every["status"] != OK).any():
        handles.append(style.failed_mark(style.GREY))
    return handles


def main() -> None:
    """Command line."""
    options = quality_curves.figure_parser(__doc__, several=True).parse_args()
    quality_curves.draw_and_save(options, draw)


if __name__ == "__main__":
    run(main)
