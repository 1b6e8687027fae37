"""Whether metrics rank the sizes alike at each sampling budget."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..jobs.command import csv
from ..jobs.tables import OK
from ..tables.arguments import Sampler
from ..tables.budgets import of_sampler
from ..tables.metric_agreement import AGREEMENT, RANKING
from . import style

_APART = 1.06
"""factor of the budget between bars of neighbouring metrics, which would hide each other"""
_COLUMNS = 5
_MANY = 8
"""from so many sizes on, the axis names only every second rank"""
_SPREAD = 1.25
"""of the budget between the first and the last size's bars"""
_CONTRADICTS = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
_CONTRADICTS |= {"color": "#c1121f", "markeredgewidth": 0.9}


def draw(
    ranking: Annotated[pd.DataFrame, csv("metric_ranking.csv", RANKING)],
    agreement: Annotated[pd.DataFrame, csv("metric_agreement.csv", AGREEMENT)],
    sampler: Sampler,
) -> Figure:
    """The figure of one sampler, from metric_ranking.csv and metric_agreement.csv.

    Raises InputError if n differ.
    """
    ranking, agreement = (of_sampler(table, sampler) for table in (ranking, agreement))
    n = style.only_n(ranking)
    metrics, sizes = list(ranking["metric"].unique()), style.in_order(ranking["size"])
    compared = agreement[agreement["metric"] == metrics[0]]
    with style.theme():
        lines = style.rows_of_panels(len(metrics))
        above_all = 0.3 + 2.3 * lines + 0.17 * -(-len(_legend(ranking)) // _COLUMNS)
        heights = (above_all, max(2.2, 0.3 * (len(metrics) + 1)))
        figure = Figure(figsize=(style.WIDTH, sum(heights)), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False).flat
        ylabel = f"Rank of the size\n{ranking['sampler'].iloc[0]}, n = {n}"
        panels = style.panels_on(above, len(metrics), xlabel="Sampling cost", ylabel=ylabel)
        for axes, metric in zip(panels, metrics, strict=True):
            _draw_ranks(axes, ranking[ranking["metric"] == metric], sizes)
            axes.set_title(_in_lines(style.metric_label(metric)))
            _budgets(axes, sorted(set(ranking["budget"])))
        panels[0].set_yticks(range(1, len(sizes) + 1, 1 if len(sizes) < _MANY else 2))
        panels[0].set_ylim(len(sizes) + 0.5, 0.5)
        _draw_taus(below.subplots(), compared, metrics)
        above.legend(handles=_legend(ranking), loc="outside lower center", ncols=_COLUMNS)
    return figure


def _in_lines(label: str) -> str:
    return label.replace(" (", "\n(", 1)


def _budgets(axes: Axes, budgets: list[float], below: list[str] | None = None) -> None:
    """Ticks at the budgets, each with what stands `below` it."""
    axes.set_xscale("log")
    labels = [f"{budget:g}" for budget in budgets]
    if below is not None:
        labels = [f"{label}\n{more}" for label, more in zip(labels, below, strict=True)]
    axes.set_xticks(budgets, labels, minor=False)
    axes.minorticks_off()


def _draw_ranks(axes: Axes, rows: pd.DataFrame, sizes: list[str]) -> None:
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    spread = _SPREAD ** np.linspace(-0.5, 0.5, len(sizes))
    places: dict[Any, float] = dict(zip(sizes, spread, strict=True))
    for size, every in rows.groupby("size"):
        own, failed = every[every["status"] == OK], every[every["status"] != OK]
        axes.errorbar(
            own["budget"] * places[size],
            own["rank"],
            yerr=[own["rank"] - own["rank_lo"], own["rank_hi"] - own["rank"]],
            color=colors[size],
            marker=marks[size],
            markersize=3.5,
            linewidth=1,
            elinewidth=0.7,
            label=size,
        )
        style.draw_failed(axes, failed["budget"] * places[size], colors[size])


def _draw_taus(axes: Axes, rows: pd.DataFrame, metrics: list[str]) -> None:
    """Tau of the first metric's ranking and each other's, with intervals."""
    budgets = sorted(set(rows["budget"]))
    sizes = rows.groupby("budget")["sizes"].max()
    _budgets(axes, budgets, [f"{size} {'size' if size == 1 else 'sizes'}" for size in sizes])
    for tau in (-1, 0, 1):
        axes.axhline(tau, color="0.85", linewidth=0.7, zorder=0)
    colors, marks = style.sequence(metrics[1:], "viridis"), style.markers(metrics[1:])
    for number, metric in enumerate(metrics[1:]):
        own = rows[(rows["other"] == metric) & (rows["status"] == OK)]
        places = own["budget"] * _APART ** (number - (len(metrics) - 2) / 2)
        axes.errorbar(
            places,
            own["tau"],
            yerr=[own["tau"] - own["lo"], own["hi"] - own["tau"]],
            color=colors[metric],
            marker=marks[metric],
            linestyle="none",
            elinewidth=0.9,
            capsize=1.5,
            label=_in_lines(style.metric_label(metric)),
        )
        against = (own["contradicting"] > 0).to_numpy()
        axes.plot(places[against], own["tau"][against], label="contradicts", **_CONTRADICTS)
    axes.set(ylim=(-1.12, 1.12), xlim=(budgets[0] / 1.3, budgets[-1] * 1.3))
    ends = ["opposite order \N{MINUS SIGN}1", "", "0", "", "same order 1"]
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], ends)
    axes.set_xlabel(f"{style.COST_LABEL}, and how many sizes are ranked")
    first = _in_lines(style.metric_label(metrics[0])).splitlines()[0]
    axes.set_ylabel(f"Kendall's tau with the ranking\nby {first}")
    shown: list[Any] = [*axes.containers]
    if (rows["contradicting"] > 0).any():
        label = "some pair of sizes in opposite\norders, by both intervals"
        shown.append(Line2D([], [], label=label, **_CONTRADICTS))
    axes.legend(handles=shown, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _legend(ranking: pd.DataFrame) -> list[Line2D]:
    failed = (ranking["status"] != OK).any()
    return style.size_handles(ranking) + [style.failed_mark(style.GREY)] * int(failed)
