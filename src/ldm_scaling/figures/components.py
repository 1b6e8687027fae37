"""Shares of text encoder, autoencoder and U-Net in an image: parameters, FLOPs, seconds.

The U-Net stands for whatever denoises in an adopted model.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from ..jobs.command import csv
from ..kinds.sizes import is_size
from ..tables.components import COMPONENTS, PARTS
from . import style

COLORS = dict(zip(PARTS, ("#2a6f97", "#e9c46a", "#9a031e"), strict=True))
NAMES = dict(zip(PARTS, ("text encoder", "autoencoder", "U-Net"), strict=True))
ADOPTED = {"unet": "denoiser"}
"""names of adopted models' networks, where they differ"""
_PANELS = {"params": "Parameters", "gflops": "FLOPs of an image", "seconds": "Seconds of an image"}
_WIDEST = 1.32
"""of a panel in shares, with what stands beside the bars"""


def draw(components: Annotated[pd.DataFrame, csv("components.csv", COMPONENTS)]) -> Figure:
    """The figure, from components.csv."""
    sizes = style.in_order(components["size"])
    with style.theme():
        figure = Figure(figsize=(style.WIDTH, 1.1 + 0.27 * len(sizes)), layout="constrained")
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, (column, title) in zip(panels, _PANELS.items(), strict=True):
            _draw_panel(axes, components, sizes, column)
            axes.set_xlabel(title, x=0.5 / _WIDEST)  # below the bars
        panels[0].set_ylabel("Size")
        names = NAMES if all(map(is_size, sizes)) else NAMES | ADOPTED
        handles = [Patch(color=COLORS[part], label=names[part]) for part in PARTS]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(PARTS))
    return figure


def _draw_panel(axes: Axes, components: pd.DataFrame, sizes: list[str], column: str) -> None:
    table = components.pivot(index="size", columns="component", values=f"{column}_share")
    whole = components.groupby("size")[column].sum(min_count=len(PARTS))
    left = pd.Series(0.0, index=table.index)
    for part in PARTS:
        shares = table.loc[sizes, part].astype(float)
        axes.barh(
            sizes, shares, left=left[sizes], color=COLORS[part], height=0.7, label=NAMES[part]
        )
        left = left + table[part].astype(float)
    known = whole.dropna().index.intersection(table.dropna().index)
    for size in sizes:
        text = _amount(column, float(whole[size])) if size in known else "unknown"
        axes.annotate(text, (1.02, size), va="center", fontsize=6.5, annotation_clip=False)
    axes.set_xlim(0, _WIDEST)
    axes.set_xticks([0, 0.5, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.spines["bottom"].set_bounds(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()


def _amount(column: str, value: float) -> str:
    if column == "params":
        return f"{value / 1e9:.2f} B" if value >= 999.5e6 else f"{value / 1e6:.3g} M"
    if column == "gflops":
        return f"{value / 1e3:.3g} T" if value >= 999.5 else f"{value:.3g} G"
    return f"{value:.2g} s" if value >= 0.1 else f"{1e3 * value:.2g} ms"
