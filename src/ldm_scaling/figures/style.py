"""The look of every figure: colours, markers, labels, floors, and how figures are saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from ..jobs.cli import InputError
from ..jobs.tables import OK, records
from ..jobs.workdir import atomic_path
from ..kinds.metrics import LABELS
from ..kinds.sizes import channels, is_size

WIDTH = 7.0
"""inches across two columns"""
MARKERS = "os^DvPX<>hp"
GREY = "0.35"
COST_LABEL = "Sampling cost (normalized cost \N{MULTIPLICATION SIGN} steps)"
FLOORS: dict[str, tuple[str, Any]] = {
    "real": ("real against real", (0, (4, 2))),
    "reconstruction": ("reconstruction", ":"),
    "bicubic": ("bicubic", "-."),
}
"""name and line style of each kind of floor, and of what super-resolution is to beat"""
ENVELOPE: dict[str, Any] = {"color": "0.82", "linewidth": 4}
_BAND: dict[str, Any] = {"alpha": 0.16, "linewidth": 0}
_LOG_FROM = 5
_DENSE_BELOW = 2000
_DENSER_BELOW = 8
_DPI, _DPI_OF_IMAGES = 200, 400
_MAX_PIXELS = 1600
_PANELS = 4
"""side by side, at most"""

_LOOK: Any = {
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: same figure everywhere
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 1.0,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,  # text stays text
}


@contextmanager
def theme() -> Iterator[None]:
    """A context in which figures are made and saved, whatever a user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_LOOK)
        yield


def in_order(sizes: Iterable[str]) -> list[str]:
    """Different sizes, smallest first; adopted models as tables have them, in the study's order."""
    found = list(dict.fromkeys(sizes))
    return found if any(not is_size(name) for name in found) else sorted(found, key=channels)


def sequence(values: list, color_map: str) -> dict:
    """A colour for each of ordered values, told apart by lightness too and dark enough to print."""
    colors = mpl.colormaps[color_map]
    last = max(len(values) - 1, 1)
    return {value: to_hex(colors(0.72 * (1 - i / last))) for i, value in enumerate(values)}


def size_colors(sizes: list[str]) -> dict[Any, str]:
    """A colour for each size, darker for larger ones."""
    return sequence(sizes, "plasma")


def markers(values: list) -> dict:
    """A marker for each of ordered values."""
    return {value: MARKERS[i % len(MARKERS)] for i, value in enumerate(values)}


def size_label(size: str, params: int) -> str:
    """A size with its parameters, such as "c48 (3.4 M)"."""
    if params >= 999.5e6:
        return f"{size} ({params / 1e9:.1f} B)"
    millions = params / 1e6
    digits = 0 if millions >= 9.95 else 1 if millions >= 0.995 else 2
    return f"{size} ({millions:.{digits}f} M)"


def size_handles(rows: pd.DataFrame, **look: Any) -> list[Line2D]:
    """Legend entries of the sizes of rows, smallest first. Columns are size and params."""
    sizes = in_order(rows["size"])
    colors, marks = size_colors(sizes), markers(sizes)
    params = rows.drop_duplicates("size").set_index("size")["params"]
    looks = [{"color": colors[size], "marker": marks[size]} | look for size in sizes]
    labels = [size_label(size, params[size]) for size in sizes]
    return [Line2D([], [], label=label, **own) for label, own in zip(labels, looks, strict=True)]


def metric_label(metric: str) -> str:
    """A metric's name for readers. Only `fid` is FID; other features give a Fréchet distance."""
    return LABELS.get(metric, metric)


def only_n(*tables: pd.DataFrame) -> int:
    """The n of all measured rows; InputError if they differ, as they would share an axis."""
    found = sorted({int(n) for table in tables for n in table.loc[table["value"].notna(), "n"]})
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise InputError(f"n = {listed}: different n are never drawn on one axis")
    return found[0] if found else 0


def scale_values(axes: Axes, *tables: pd.DataFrame) -> None:
    """Make the y axis logarithmic if values and intervals are positive and span a wide range."""
    drawn = pd.concat([table[["value", "lo", "hi"]] for table in tables])
    if drawn.min().min() > 0 and drawn["value"].max() > _LOG_FROM * drawn["value"].min():
        axes.set_yscale("log")
        log_ticks(axes.yaxis)


def log_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis: at 1, 2, 5 of each decade, at 1 if it is long.

    At more of them if it is short.
    """
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high < _DENSE_BELOW * low else (1,)
    subs = (1, 1.5, 2, 3, 5, 7) if high < _DENSER_BELOW * low else subs
    axis.set_major_locator(LogLocator(subs=subs, numticks=40))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def log_log(axes: Axes) -> None:
    """Make both axes logarithmic, with plain numbers."""
    axes.set(xscale="log", yscale="log")
    log_ticks(axes.xaxis)
    log_ticks(axes.yaxis)


def name_sizes(axes: Axes, sizes: pd.DataFrame) -> None:
    """Label a logarithmic x axis of millions of parameters; above it stand the sizes' names.

    Columns are `size` and `params`.
    """
    axes.set_xlabel("Parameters (millions)")
    log_ticks(axes.xaxis)
    above = axes.secondary_xaxis("top")
    above.set_xticks(sizes["params"] / 1e6, sizes["size"], rotation=90, fontsize=6)
    above.minorticks_off()
    above.spines["top"].set_visible(False)


def intervals(rows: pd.DataFrame) -> list[pd.Series]:
    """Lengths of the error bars below and above the values."""
    below, above = rows["value"] - rows["lo"], rows["hi"] - rows["value"]
    return [below.clip(lower=0), above.clip(lower=0)]


def draw_curve(
    axes: Axes,
    x: pd.Series,
    rows: pd.DataFrame,
    seeds: int,
    elinewidth: float,
    capsize: float = 0,
    **look: Any,
) -> None:
    """A line through the values of rows, which are sorted by x, and their intervals.

    These are bars, or with several training seeds a band. One point has no width: it keeps its bar.
    """
    if seeds == 1 or len(rows) == 1:
        look |= {"elinewidth": elinewidth, "capsize": capsize}
        axes.errorbar(x, rows["value"], yerr=intervals(rows), **look)
        return
    axes.plot(x, rows["value"], **look)
    band = {"color": look["color"], "label": f"{look['label']} band", "zorder": 0.9}
    axes.fill_between(x, rows["lo"], rows["hi"], **band, **_BAND)


def draw_cells(
    axes: Axes,
    x: pd.Series,
    rows: pd.DataFrame,
    seeds: int,
    look: dict[str, Any],
    elinewidth: float,
    capsize: float = 0,
    at_end: dict[str, Any] | None = None,
    height: float = 1.0,
) -> None:
    """The curve of rows, which are sorted by x, and crosses at `height` where a cell failed.

    With `at_end`, points whose guidance is at an end of the grid are drawn again, with that look.
    """
    ok = rows["status"] == OK
    own, place = rows[ok], x[ok]
    draw_curve(axes, place, own, seeds, elinewidth, capsize, **look)
    if at_end and (ends := own["at_boundary"].astype(bool)).any():
        marks = {"linestyle": "none", "label": f"{look['label']}, hollow", **at_end}
        axes.plot(place[ends], own["value"][ends], **(look | marks))
    draw_failed(axes, x[~ok], look["color"], height)


def draw_marks(axes: Axes, x: pd.Series, rows: pd.DataFrame, **look: Any) -> None:
    """The values of rows as marks, white where the guidance is at an end of the grid."""
    for at_end, own in rows.groupby("at_boundary"):
        fill = {"markerfacecolor": "white" if at_end else look["color"], "linestyle": "none"}
        label = f"{look['label']}, hollow" if at_end else look["label"]
        marks: dict[str, Any] = {**look, **fill, "label": label}
        axes.plot(x[own.index], own["value"], **marks)


def size_panels(count: int, row: float, rest: float, **labels: str) -> tuple[Figure, list[Axes]]:
    """A figure of panels that share their axes; heights of a row and of the rest in inches.

    `labels`, xlabel and ylabel, stand at its edges.
    """
    figure = Figure(figsize=(WIDTH, rest + row * rows_of_panels(count)), layout="constrained")
    return figure, panels_on(figure, count, **labels)


def rows_of_panels(count: int) -> int:
    """How many rows so many panels need."""
    return -(-count // _PANELS)


def panels_on(figure: FigureBase, count: int, **labels: str) -> list[Axes]:
    """Panels that share their axes, in rows, with `labels` at the edges."""
    columns = min(count, _PANELS)
    lines = rows_of_panels(count)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.remove()
    for axes in panels[:count:columns]:
        axes.set_ylabel(labels["ylabel"])
    for axes in panels[max(0, count - columns) : count]:  # nothing below
        axes.set_xlabel(labels["xlabel"])
        axes.tick_params(labelbottom=True)
    return panels[:count]


def band_handles(seeds: int, over: str = "images") -> list[Patch]:
    """Legend entry of the bands of `draw_curve`, if there are any: what else they are over."""
    label = f"interval over {over} and {seeds} training seeds"
    return [Patch(color=GREY, label=label, **_BAND)] if seeds > 1 else []


def draw_envelope(axes: Axes, x: list, values: list, end: float, **look: Any) -> None:
    """Steps through the best values within each x, as far as `end`: wide and light.

    `look` may say otherwise.
    """
    if len(x):
        shape = {"drawstyle": "steps-post", "label": "envelope", "zorder": 0.8}
        axes.plot([*x, end], [*values, values[-1]], **shape, **(ENVELOPE | look))


def floor_handles(kinds: Iterable[str]) -> list[Line2D]:
    """Legend entries of the lines of `draw_floors`."""
    looks = [FLOORS[kind] for kind in kinds]
    return [Line2D([], [], color=GREY, ls=line, lw=0.9, label=name) for name, line in looks]


def draw_floors(axes: Axes, floors: pd.DataFrame) -> None:
    """Horizontal lines with their intervals at the floors of one metric."""
    for floor in records(floors):
        name, line_style = FLOORS[floor.kind]
        axes.axhspan(floor.lo, floor.hi, color=GREY, alpha=0.12, linewidth=0, zorder=0.5)
        axes.axhline(
            floor.value, color=GREY, linestyle=line_style, linewidth=0.9, zorder=1, label=name
        )


def failed_mark(color: str) -> Line2D:
    """Legend entry of a failed cell; the same properties draw one."""
    return Line2D([], [], color=color, marker="x", linestyle="none", label="failed")


def cell_marks(rows: pd.DataFrame, **ring: Any) -> list[Line2D]:
    """Legend entries of cells at an end of the grid, with the looks of `ring`, and of failed ones.

    An entry is left out if no row needs it. Rows have columns at_boundary and status.
    """
    marks = []
    if rows["at_boundary"].any():
        look: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "linestyle": "none"}
        look |= ring
        marks.append(
            Line2D([], [], color=GREY, label="guidance chosen at an end of the grid", **look)
        )
    if (rows["status"] != OK).any():
        marks.append(failed_mark(GREY))
    return marks


def draw_failed(axes: Axes, x: pd.Series, color: str, height: float = 1.0) -> None:
    """Crosses at `height` (1 is the top edge) where a cell has no value, if there is one."""
    if len(x):
        look: Any = {"marker": "x", "linestyle": "none", "label": "failed", "zorder": 5}
        place: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(x, [height] * len(x), color=color, **look, **place)


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as PDF and PNG, each whole or not at all; equal figures give equal bytes.

    One that shows images has more dots an inch, in the PNG unless that became too wide.
    """
    dpi = _DPI_OF_IMAGES if any(axes.get_images() for axes in figure.axes) else _DPI
    with theme():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # each further draw would move things by a hair
        with atomic_path(pdf) as path:
            figure.savefig(path, format="pdf", dpi=dpi, metadata={"CreationDate": None})
        with atomic_path(png) as path:
            widest = int(_MAX_PIXELS / figure.get_figwidth())
            figure.savefig(path, format="png", dpi=min(dpi, widest))
