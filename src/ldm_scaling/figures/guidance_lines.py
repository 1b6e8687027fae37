"""What figures of guidance share: lines of ordered values, and stars at the best scales."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from . import style


def looks_of(values: list, label: str) -> dict[Any, dict[str, Any]]:
    """The look of the line of each value, which stands in its label."""
    colors, marks = style.sequence(values, "viridis"), style.markers(values)
    return {
        value: {"color": colors[value], "marker": marks[value], "label": label.format(value)}
        for value in values
    }


def draw_lines(
    axes: Axes,
    rows: pd.DataFrame,
    over: str,
    lines: str,
    looks: dict[Any, dict[str, Any]],
    seeds: int,
    apart: float,
) -> None:
    """The metric over a column, a line for each value of another: those of `looks`.

    Each has its own row of crosses, `apart` below the last: several often fail at the same place.
    """
    for number, (value, look) in enumerate(looks.items()):
        own = rows[rows[lines] == value].sort_values(over)
        look = {**look, "linewidth": 1, "markersize": 2.8}
        height = 1 - apart * number
        style.draw_cells(axes, own[over].astype(float), own, seeds, look, 0.7, height=height)


def handles(
    looks: dict[Any, dict[str, Any]], best: pd.DataFrame, color: str, labels: tuple[str, str]
) -> list[Line2D]:
    """Legend entries of the lines, and of stars: of all, and of those at an end of the grid."""
    found = [Line2D([], [], markersize=3.5, **look) for look in looks.values()]
    star: dict[str, Any] = {"color": color, "marker": "*", "markersize": 7, "linestyle": "none"}
    found.append(Line2D([], [], **star, label=labels[0]))
    if best["at_boundary"].any():
        found.append(Line2D([], [], **star, markerfacecolor="white", label=labels[1]))
    return found
