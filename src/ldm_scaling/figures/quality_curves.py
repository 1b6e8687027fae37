"""What figures of quality against cost share: panels, crossovers below them, legends.

A panel has a curve for each size at its best guidance, the floors, and the envelope: the best of
any size within a cost. Below it a strip shows where each size overtakes the next smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..jobs.tables import OK, records
from ..tables import curves
from ..tables.budgets import of_metric
from ..tables.curves import APART, CROSSES, LARGER_AHEAD, best_points, crossovers, envelope
from ..tables.values import Values, with_intervals
from . import style

AXIS_LABELS = {
    "sampling_cost": style.COST_LABEL,
    "guided_cost": "Guided cost (normalized cost \N{MULTIPLICATION SIGN} network evaluations)",
    "total_cost": "Total cost: all arithmetic of an image\n(forward passes of the reference size)",
    "seconds": "Seconds an image (measured on the device of the run)",
}
_LARGEST_GAP = 2.5
"""times as far below, on a log scale, as curves spread: a floor beyond is named only"""
_SEED = {"marker": "o", "markersize": 3, "markeredgewidth": 0, "alpha": 0.4}
_STRIP_ROW = 0.125
"""inches"""


@dataclass(frozen=True)
class Quality:
    """What is drawn of one sampler."""

    cells: Values
    points: Values
    """of `best_points`"""
    floors: pd.DataFrame
    """of the metric"""
    confidence: float
    n: int

    @classmethod
    def of(cls, cells: Values, floors: pd.DataFrame, confidence: float) -> Quality:
        """From the cells of a metric, and floors.csv.

        Raises InputError if the floors lack the metric, or n differ.
        """
        points = best_points(cells, confidence)
        floors = of_metric(floors, cells.metric)
        n = style.only_n(cells.rows, floors)
        return cls(cells, points, floors, confidence, n)

    @property
    def sizes(self) -> list[str]:
        """The smallest first."""
        return curves.sizes_of(self.points)

    @property
    def sampler(self) -> str:
        """How images were sampled."""
        return self.points.rows["sampler"].iloc[0]

    @property
    def seeds(self) -> int:
        """How many training seeds there are."""
        return self.cells.rows["seed"].nunique()

    def grid(self) -> pd.DataFrame:
        """Every cell of the guidance search, as means over training seeds with intervals."""
        cells = self.cells.where(self.cells.rows["grid"])
        return with_intervals(cells.over_seeds(self.confidence), self.confidence)

    @property
    def label(self) -> str:
        """Label of the y axis."""
        metric = style.metric_label(self.points.metric)
        return f"{metric}\n{self.sampler}, n = {self.n} images a cell"


def layout(
    sizes: list[str], widths: tuple[float, ...], strips: tuple[bool, ...]
) -> tuple[Figure, list[Axes], list[Axes | None]]:
    """A figure, its panels of these relative widths, and strips below those for which `strips`.

    A strip shares the x axis of its panel. With one size there is nothing to cross, so none.
    """
    above = 4.0 + 0.12 * max(0, len(sizes) - 6)  # room for a longer legend
    below = _STRIP_ROW * (len(sizes) - 1)
    figure = Figure(figsize=(style.WIDTH, above + below + 0.2), layout="constrained")
    if not below:
        return figure, list(figure.subplots(1, len(widths), width_ratios=widths)), [None] * 2
    heights = (above - 1.4, below)  # without labels and legends
    grid = GridSpec(2, len(widths), figure, width_ratios=widths, height_ratios=heights)
    tall = [figure.add_subplot(grid[0 if has else slice(None), i]) for i, has in enumerate(strips)]
    low = [
        figure.add_subplot(grid[1, i], sharex=axes) if has else None
        for i, (axes, has) in enumerate(zip(tall, strips, strict=True))
    ]
    return figure, tall, low


def draw_costs(axes: Axes, quality: Quality, axis: str) -> None:
    """What an image costs against steps, a line for each size."""
    sizes, rows = quality.sizes, quality.points.rows
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    for size in sizes:
        own = rows[rows["size"] == size].sort_values("steps")
        axes.plot(
            own["steps"].astype(int),
            own[axis],
            color=colors[size],
            marker=marks[size],
            label=style.size_label(size, own["params"].iloc[0]),
        )
    axes.set(xlabel="Sampling steps", ylabel=AXIS_LABELS[axis])
    style.log_log(axes)


def draw_quality(axes: Axes, strip: Axes | None, quality: Quality, axis: str) -> None:
    """The metric against cost: envelope, curves with intervals, seeds, floors; crossovers below."""
    axes.set_xscale("log")
    draw_envelope(axes, quality.points.rows, axis)
    _draw_curves(axes, quality, axis)
    if quality.seeds > 1:
        _draw_seeds(axes, quality, axis)
    draw_floors(axes, quality.floors, quality.points.rows)
    make_room(axes)
    if strip is not None:
        _draw_crossovers(strip, quality, axis)
        axes.tick_params(labelbottom=False)
    (strip or axes).set_xlabel(AXIS_LABELS[axis])
    style.log_ticks(axes.xaxis)


def draw_envelope(axes: Axes, rows: pd.DataFrame, axis: str, **look: object) -> None:
    """The best of any size within a cost, as a wide light line, unless `look` says another."""
    best = envelope(rows, axis)
    style.draw_envelope(axes, list(best["cost"]), list(best["value"]), rows[axis].max(), **look)


def _draw_curves(axes: Axes, quality: Quality, axis: str) -> None:
    sizes, rows = quality.sizes, quality.points.rows.sort_values(axis, kind="stable")
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    for size in sizes:
        own, look = rows[rows["size"] == size], {"color": colors[size], "label": size}
        style.draw_cells(axes, own[axis], own, quality.seeds, look | {"linewidth": 1.2}, 0.8, 1.5)
        look |= {"marker": marks[size], "label": f"{size} marks", "zorder": 3}
        style.draw_marks(axes, own[axis], own[own["status"] == OK], **look)


def _draw_seeds(axes: Axes, quality: Quality, axis: str) -> None:
    """The cell of each training seed behind each point, lightly."""
    by, colors = ["size", "steps", "guidance"], style.size_colors(quality.sizes)
    cells, points = quality.cells.rows, quality.points.rows
    chosen = points.loc[points["status"] == OK, [*by, axis]]
    for size, own in cells.loc[cells["grid"], [*by, "value"]].merge(chosen, on=by).groupby("size"):
        axes.plot(
            own[axis],
            own["value"],
            color=colors[size],
            linestyle="none",
            label=f"{size} seeds",
            **_SEED,
        )


def far_floors(floors: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Which floors lie so far below that the curves of `rows` would lie on each other: a mask."""
    values = rows.loc[rows["status"] == OK, "value"]
    low, high = values.min(), values.max()
    return np.array(
        [
            0 < floor < low and (high / low) ** _LARGEST_GAP < high / floor
            for floor in floors["value"]
        ],
        dtype=bool,
    )


def _far_label(floor: Any) -> str:
    interval = f"({floor.lo:.3g} to {floor.hi:.3g})"
    return f"\N{DOWNWARDS ARROW} {style.FLOORS[floor.kind][0]}: {floor.value:.3g} {interval}"


def floor_handles(floors: pd.DataFrame, rows: pd.DataFrame) -> list[Line2D]:
    """Legend entries of floors: of their lines, or the values of those far below `rows`."""
    handles = []
    for floor, far in zip(records(floors), far_floors(floors, rows), strict=True):
        name, line_style = style.FLOORS[floor.kind]
        line, label = ("none", _far_label(floor)) if far else (line_style, name)
        handles.append(Line2D([], [], color=style.GREY, linestyle=line, label=label))
    return handles


def draw_floors(axes: Axes, floors: pd.DataFrame, rows: pd.DataFrame) -> None:
    """The floors and their names, and the scale of the axis; `rows` are what is drawn.

    A floor far below is named at the lower edge instead.
    """
    far = far_floors(floors, rows)
    near = floors[~far]
    style.draw_floors(axes, near)
    style.scale_values(axes, rows, near)
    note = {"fontsize": 6.5, "color": style.GREY}
    if far.any():
        lines = [_far_label(floor) for floor in records(floors[far])]
        axes.annotate("\n".join(lines), (0.01, 0.01), xycoords="axes fraction", **note)
    # Names stand on the outer sides of the lines, where they cannot meet, however close they are,
    # and above if the lower edge is taken.
    for floor in records(near):
        below = floor.value == near["value"].min() and not far.any()
        axes.annotate(
            style.FLOORS[floor.kind][0],
            (0.01, floor.value),
            xycoords=("axes fraction", "data"),
            xytext=(0, -2 if below else 2),
            textcoords="offset points",
            va="top" if below else "bottom",
            **note,
        )


def make_room(axes: Axes) -> None:
    """Widen the y axis for what is written at its lower edge."""
    axes.autoscale_view()
    low, high = axes.transLimits.inverted().transform([(0, -0.1), (0, 1.04)])[:, 1]
    axes.set_ylim(*axes.transScale.inverted().transform([(1, low), (1, high)])[:, 1])


def _draw_crossovers(axes: Axes, quality: Quality, axis: str) -> None:
    """A row for each size: where it overtakes the next smaller one."""
    colors, sizes = style.size_colors(quality.sizes), quality.sizes
    neighbours = list(pairwise(sizes))
    table = crossovers(quality.points, axis, quality.confidence).set_index(["small", "large"])
    rows = table.loc[neighbours].reset_index()
    names = [f"{small} \N{RIGHTWARDS ARROW} {large}" for small, large in neighbours]
    draw_crossings(axes, rows, [colors[large] for _, large in neighbours], names)


def draw_crossings(axes: Axes, rows: pd.DataFrame, colors: list[str], names: list[str]) -> None:
    """Rows in the columns `CROSSOVERS` below each other: where the larger overtakes.

    The grey line is the range of costs that both cover, the bar the interval. An arrow stands at
    the end of the range beyond which the crossover would be, a diamond at a cost at which the
    smaller overtakes. A pair without a range says so.
    """
    for y, (row, color) in enumerate(zip(records(rows), colors, strict=True)):
        if row.status == APART:
            place = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "center"}
            axes.annotate(APART, (0.5, y), fontsize=6, color=style.GREY, **place)
            continue
        axes.plot([row.range_lo, row.range_hi], [y, y], color="0.8", linewidth=0.8, zorder=1)
        axes.plot([row.lo, row.hi], [y, y], color=color, linewidth=2.2, solid_capstyle="butt")
        ahead = row.status == LARGER_AHEAD
        place, marker = (row.range_lo, "<") if ahead else (row.range_hi, ">")
        if np.isfinite(row.cost):
            place, marker = row.cost, "|" if row.status == CROSSES else "D"
        axes.plot(
            place,
            y,
            color=color,
            marker=marker,
            markersize=7 if marker == "|" else 4,
            linestyle="none",
            label=f"{row.small} to {row.large}: {row.status}",
            zorder=3,
        )
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize=6, length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def envelope_handle() -> Line2D:
    """Legend handle of the envelope."""
    return Line2D([], [], **style.ENVELOPE, label="best of any size within the cost")


def seed_handles(quality: Quality) -> list[Line2D | Patch]:
    """Legend handles of what `draw_quality` shows of several training seeds."""
    if quality.seeds == 1:
        return []
    dot = Line2D([], [], color=style.GREY, linestyle="none", label="one training seed", **_SEED)
    return [*style.band_handles(quality.seeds), dot]


def crossing_handles(
    strips: Sequence[Axes | None], larger: str = "larger of two sizes", smaller: str = "smaller"
) -> list[Line2D]:
    """Legend handles of the marks in strips, of what is there, by what the two are called."""
    drawn = [line.get_marker() for strip in strips if strip for line in strip.get_lines()]
    labels = {
        "|": f"{larger} overtakes",
        "D": f"{smaller} overtakes",
        "<": f"{larger.split(' of ')[0]} ahead throughout",
        ">": f"{smaller} ahead at the end",
    }
    bar = {"linewidth": 2.2, "markersize": 7}
    return [
        Line2D(
            [],
            [],
            color=style.GREY,
            marker=mark,
            label=label,
            **(bar if mark == "|" else {"linestyle": "none", "markersize": 4}),
        )
        for mark, label in labels.items()
        if mark in drawn
    ]


def add_legend(figure: Figure, quality: Quality, strips: Sequence[Axes | None]) -> None:
    """The legend of a figure, below it: sizes, and what panels and their strips show beside."""
    handles = [*style.size_handles(quality.points.rows), *legend(quality, strips)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)


def legend(
    quality: Quality, strips: Sequence[Axes | None], *others: Line2D
) -> list[Line2D | Patch]:
    """Handles of what panels and their strips show beside the sizes, and `others` first."""
    handles = [*others, envelope_handle(), *seed_handles(quality), *crossing_handles(strips)]
    return handles + style.cell_marks(quality.points.rows)
