"""Image quality against training compute, at one setting of the sampler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter

from ..jobs.cli import positive
from ..jobs.command import Option, Read, csv
from ..jobs.tables import OK, read_table, records
from ..kinds.metrics import HIGHER_IS_BETTER
from ..tables.arguments import CellFiles, Confidence, Floors, Guidance, Metrics, Steps
from ..tables.at_setting import read_at_setting
from ..tables.budgets import of_metric
from ..tables.fits import ENVELOPE, FITS, on_envelope, training_flops
from ..tables.values import with_intervals
from . import style

_TIMES = "\N{MULTIPLICATION SIGN}"
COMPUTE_LABEL = f"Training compute\n(3 {_TIMES} FLOPs of a forward pass {_TIMES} images seen)"
_DASHES = (0, (5, 2))
_NO_LAW = "\N{EN DASH}"
Images = Annotated[int, Option("images of a whole training", positive(int))]


def read_checkpoints(
    cells: CellFiles,
    metrics: Metrics,
    steps: Steps,
    guidance: Guidance,
    confidence: Confidence,
    images: Images,
) -> list[pd.DataFrame]:
    """The cells of every kept checkpoint at a setting, of each metric, with `compute`: FLOPs."""
    values = read_at_setting(*cells, (steps, guidance, confidence), metrics)
    tables = [with_intervals(own, confidence) for own in values]
    return [rows.assign(compute=training_flops(rows, images)) for rows in tables]


def count_seeds(cells: CellFiles) -> int:
    """How many training seeds there are."""
    return read_table(cells[0], ["seed"])["seed"].nunique()


def draw(
    checkpoints: Annotated[list[pd.DataFrame], Read(read_checkpoints)],
    floors: Floors,
    fits: Annotated[pd.DataFrame, csv("fits.csv", FITS)],
    seeds: Annotated[int, Read(count_seeds)] = 1,
) -> Figure:
    """The figure, from the checkpoints of one metric a panel, floors.csv and fits.csv.

    Checkpoints have the columns of cells.csv and `compute`, FLOPs; they are means over `seeds`
    training seeds. Raises InputError if a metric is not in the other tables, or if their n differ.
    """
    metrics = [rows["metric"].iloc[0] for rows in checkpoints]
    floors_of = [of_metric(floors, metric) for metric in metrics]
    n = style.only_n(*checkpoints, *floors_of)
    laws_of = [_fitted(of_metric(fits, metric)) for metric in metrics]
    with style.theme():
        handles = _legend(checkpoints, floors_of[0], laws_of) + style.band_handles(seeds)
        columns = 2 if len(metrics) == 1 else 1  # a label has the exponents of all panels
        height = 3.4 + 0.17 * -(-len(handles) // columns)
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        panels = list(figure.subplots(1, len(metrics), squeeze=False).flat)
        drawn = zip(panels, metrics, checkpoints, floors_of, laws_of, strict=True)
        for axes, metric, rows, own, laws in drawn:
            axes.set_xscale("log")
            style.draw_floors(axes, own)
            _draw_envelope(axes, rows[rows["status"] == OK], metric)
            draw_sizes(axes, rows, seeds)
            _draw_laws(axes, rows[rows["status"] == OK], laws)
            style.scale_values(axes, rows, own)
            axes.set_xlabel(COMPUTE_LABEL)
            axes.set_ylabel(f"{style.metric_label(metric)}\nn = {n} images a cell")
            compute_ticks(axes.xaxis)
        title = "With exponent b of the dashed power law, value - floor ~ compute$^{-b}$, [its"
        title += " interval] (b without the floor)"
        title += "; left; right" if len(metrics) > 1 else ""
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=columns,
            title=title if any(map(len, laws_of)) else None,
            title_fontsize=7,
        )
    return figure


def _fitted(fits: pd.DataFrame) -> pd.DataFrame:
    """The power laws that there are, by size: above the highest floor, with `plain` for none."""
    there = fits[fits["status"] == OK].sort_values("floor").set_index("size", drop=False)
    plain = there.loc[there["floor"] == 0, "exponent"]
    above = there[~there.index.duplicated(keep="last")]
    return above.assign(plain=plain.reindex(above.index))


def _draw_envelope(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    compute, values = rows["compute"].to_numpy(), rows["value"].to_numpy()
    best = on_envelope(compute, values[:, None], metric in HIGHER_IS_BETTER)[:, 0]
    points = rows[best].sort_values("compute")
    end = rows["compute"].max()
    style.draw_envelope(axes, list(points["compute"]), list(points["value"]), end)


def draw_sizes(
    axes: Axes, rows: pd.DataFrame, seeds: int, among: Iterable[str] = (), **look: object
) -> None:
    """The line of each size against compute, in its colour among these; `look` is of all lines."""
    sizes = style.in_order(rows["size"])
    known = style.in_order([*among, *sizes])
    colors, marks = style.size_colors(known), style.markers(known)
    for size in sizes:
        own = rows[rows["size"] == size].sort_values("compute")
        own_look = {"color": colors[size], "marker": marks[size], "markersize": 3.8}
        own_look |= {"linewidth": 1, "label": size} | look
        style.draw_curve(axes, own["compute"], own, seeds, 0.8, 1.5, **own_look)
        style.draw_failed(axes, own.loc[own["status"] != OK, "compute"], colors[size])


def _draw_laws(axes: Axes, rows: pd.DataFrame, laws: pd.DataFrame) -> None:
    colors = style.size_colors(style.in_order(rows["size"])) | {ENVELOPE: "0"}
    for law in records(laws):
        own = rows if law.size == ENVELOPE else rows[rows["size"] == law.size]
        compute = np.geomspace(own["compute"].min(), own["compute"].max(), 50)
        axes.plot(
            compute,
            law.floor + law.coefficient * compute**-law.exponent,
            color=colors[law.size],
            linestyle=_DASHES,
            linewidth=1.2 if law.size == ENVELOPE else 0.7,
            label=f"power law of {law.size}",
            zorder=2.5 if law.size == ENVELOPE else 1.5,
        )


def compute_ticks(axis: Axis) -> None:
    """Labels such as 2 x 10^13, as many as fit beside each other."""
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high < 30 * low else (1, 3) if high < 300 * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axis.set_minor_formatter(NullFormatter())


def _legend(
    checkpoints: list[pd.DataFrame], floors: pd.DataFrame, laws_of: list[pd.DataFrame]
) -> list[Line2D | Patch]:
    rows = checkpoints[0]
    sizes = style.in_order(rows["size"])
    colors, marks = style.size_colors(sizes), style.markers(sizes)
    handles = []
    for size in sizes:
        label = style.size_label(size, rows.loc[rows["size"] == size, "params"].iloc[0])
        label += _exponents(size, laws_of)
        handles.append(Line2D([], [], color=colors[size], marker=marks[size], label=label))
    best = "best of any size within the compute"
    handles.append(Line2D([], [], **style.ENVELOPE, label=best))
    if any(ENVELOPE in laws.index for laws in laws_of):
        label = f"power law of the best{_exponents(ENVELOPE, laws_of)}"
        handles.append(Line2D([], [], color="0", ls=_DASHES, label=label))
    handles += style.floor_handles(floors["kind"])
    if any((own["status"] != OK).any() for own in checkpoints):
        handles.append(style.failed_mark(style.GREY))
    return handles


def _exponents(name: str, laws_of: list[pd.DataFrame]) -> str:
    """What follows a label: the exponent of each panel's power law; nothing without any."""
    if not any(name in laws.index for laws in laws_of):
        return ""
    parts = []
    for laws in laws_of:
        law: Any = laws.loc[name] if name in laws.index else None
        shown = _NO_LAW if law is None else f"{law.exponent:.3f} [{law.lo:.3f}, {law.hi:.3f}]"
        if law is not None and float(law["floor"]) > 0:
            shown += f" ({law['plain']:.3f})"
        parts.append(shown)
    return f": {'; '.join(parts)}"
