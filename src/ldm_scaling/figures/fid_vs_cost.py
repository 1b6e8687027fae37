"""Image quality against sampling cost: which size wins at which budget."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.tables import records
from ..tables.arguments import Cells, Confidence, Floors
from ..tables.budgets import winners
from . import quality_curves, style
from .quality_curves import Quality

_MOST_TIES = 2
_LONG = 16
"""letters of a label beside which the legend above the left panel has no room for another"""
Budgets = Annotated[list[float], "sampling costs to name winners at"]


def draw(cells: Cells, floors: Floors, confidence: Confidence, budgets: Budgets) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv."""
    quality = Quality.of(cells, floors, confidence)
    with style.theme():
        figure, (left, right), strips = quality_curves.layout(quality.sizes, (2, 3), (False, True))
        quality_curves.draw_costs(left, quality, "sampling_cost")
        for budget in budgets:
            left.axhline(budget, color="0.8", linewidth=0.6, zorder=0, label="_budget")
        style.log_ticks(left.yaxis)
        quality_curves.draw_quality(right, strips[1], quality, "sampling_cost")
        colors = style.size_colors(quality.sizes)
        _mark_winners(right, winners(quality.points, budgets, confidence), colors)
        style.log_ticks(right.xaxis)
        right.set_ylabel(quality.label)
        long = max(len(str(line.get_label())) for line in left.get_lines()) > _LONG
        left.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=1 if long else 2)
        best = Line2D([], [], color=style.GREY, marker="*", linestyle="none")
        best.set_label("best size within the budget (~: not separated)")
        handles = quality_curves.legend(quality, strips, best)
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _mark_winners(axes: Axes, won: pd.DataFrame, colors: dict[str, str]) -> None:
    for row in records(won):
        color = colors.get(row.size, style.GREY)
        axes.axvline(row.budget, color="0.8", linewidth=0.6, zorder=0)
        tied = row.tied_with.split()
        shown = [row.size or "none", *tied[:_MOST_TIES], *["…"] * (len(tied) > _MOST_TIES)]
        if row.size:
            axes.plot(
                row.budget,
                1.06,
                color=color,
                marker="*",
                markersize=6,
                markeredgewidth=0,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                label=f"winner at {row.budget:g}",
            )
        axes.annotate(
            " ~ ".join(shown),
            (row.budget, 1.1),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=6.5,
            color=color,
        )
