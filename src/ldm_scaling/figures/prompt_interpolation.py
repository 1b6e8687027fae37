"""Between two prompts: their embeddings interpolated, from the same noise, in every size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.command import Read
from ..tables.arguments import Family
from . import samples
from .samples import Captions, FilesBySize, Setting

_ALPHA = "\N{GREEK SMALL LETTER ALPHA}"


def read_alphas(images: FilesBySize) -> list[float]:
    """The shares of the first caption, which all sizes have in common."""
    return [float(alpha) for alpha in map_array(next(iter(images.values())), "alphas")]


def read_between(images: FilesBySize) -> dict[str, list[np.ndarray | str]]:
    """The images at these shares, by size."""
    rows = range(len(read_alphas(images)))
    return {size: samples.read_images(path, "interpolation", rows) for size, path in images.items()}


def draw(
    images: Annotated[Mapping[str, Sequence[np.ndarray | str]], Read(read_between)],
    alphas: Annotated[Sequence[float], Read(read_alphas)],
    captions: Captions,
    family: Family,
    setting: Setting,
) -> Figure:
    """The figure, of images by size at shares `alphas` of the first caption of two."""
    block = samples.Block(
        tiles=[list(row) for row in images.values()],
        heads=[f"{_ALPHA} = {alpha:g}" for alpha in alphas],
        labels=samples.size_heads(list(images), family),
        title=f"{_ALPHA} = 1: {captions[0]}\n{_ALPHA} = 0: {captions[1]}",
    )
    note = (
        f"{setting}. Between: embeddings of both prompts, weighted by {_ALPHA} and 1 - {_ALPHA};"
        " the same noise everywhere."
    )
    return samples.draw_blocks([block], note)
