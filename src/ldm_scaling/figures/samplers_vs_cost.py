"""Each further sampler of the study against its first one: quality at the same sampling cost."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..tables.arguments import Confidence, Floors, SeveralCells
from . import paired_curves, quality_curves, style
from .quality_curves import Quality

_AXIS = "sampling_cost"


def draw(cells: SeveralCells, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric with each sampler, in their order, and floors.csv.

    If there is one sampler only, the figure shows that one and says so.
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
        metric = style.metric_label(first.points.metric)
        panels[0].set_ylabel(f"{metric}\nn = {first.n} images a cell")
        figure.legend(handles=_legend(first, others), loc="outside lower center", ncols=4)
    return figure


def _draw_panel(axes: Axes, first: Quality, other: Quality | None) -> None:
    axes.set_xscale("log")
    title = f"{first.sampler} alone: the study has no other sampler"
    if other is None:
        paired_curves.draw_family(axes, first, _AXIS, solid=True)
    else:
        title = f"{other.sampler} against {first.sampler} (dashed)"
        paired_curves.draw_family(axes, first, _AXIS, solid=False)
        paired_curves.draw_family(axes, other, _AXIS, solid=True)
    axes.set(xlabel=quality_curves.AXIS_LABELS[_AXIS], title=title)


def _legend(first: Quality, others: list[Quality]) -> list[Line2D | Patch]:
    dashed = [paired_curves.handle(first.sampler, solid=False)] if others else []
    return [
        *style.size_handles(first.points.rows),
        *dashed,
        quality_curves.envelope_handle(),
        *paired_curves.handles(first, *others),
    ]
