"""The same prompts and noise in every size, beside the real images, if there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.figure import Figure

from ..jobs.command import Read
from ..kinds.cells import cell_name
from ..tables.arguments import Family, Guidance, Steps
from . import samples
from .samples import Captions, FilesBySize, Prompts, Setting, Unguided


def read_sizes(
    images: FilesBySize,
    prompts: Prompts,
    steps: Steps,
    guidance: Guidance,
    unguided: Unguided = None,
) -> dict[str, list[np.ndarray | str]]:
    """The images of the prompts, by size."""
    found = {}
    for size, path in images.items():
        name = cell_name(steps, 1.0 if size in (unguided or []) else guidance)
        found[size] = samples.read_images(path, name, prompts)
    return found


def read_real(
    prompts: Prompts, real: Annotated[Path | None, "test images"] = None
) -> list[np.ndarray | str]:
    """The images that have the captions; none where there are prompts alone."""
    return samples.read_images(real, "images", prompts) if real else []


def draw(
    images: Annotated[Mapping[str, Sequence[np.ndarray | str]], Read(read_sizes)],
    real: Annotated[Sequence[np.ndarray | str], Read(read_real)],
    captions: Captions,
    family: Family,
    setting: Setting,
) -> Figure:
    """The figure, of images of the captions by size, and of the real ones; `setting` is noted."""
    heads = samples.size_heads(list(images), family)
    columns = [*images.values(), *([real] if real else [])]
    heads += ["test image"] if real else []
    rows = [list(row) for row in zip(*columns, strict=True)]
    block = samples.Block(tiles=rows, heads=heads, labels=captions)
    note = f"{setting}. The noise of a row is the same in every column."
    return samples.draw_blocks([block], note)
