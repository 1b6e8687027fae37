"""The same low-resolution images enlarged by every size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.command import Read
from ..kinds.cells import cell_name
from ..tables.arguments import Family, Steps
from . import samples
from .samples import Captions, FilesBySize, Prompts

Images = list[np.ndarray | str]


def read_around(
    enlarged: Annotated[Path, "low-resolution images"],
    originals: Annotated[Path, "the images themselves"],
    prompts: Prompts,
) -> dict[str, Images]:
    """The low-resolution images, the same enlarged, and the originals, by what they are."""
    return {
        "low res.": samples.read_images(enlarged, "low", prompts),
        "bicubic": samples.read_images(enlarged, "images", prompts),
        "original": list(map_array(originals, "images")[prompts]),
    }


def read_sizes(images: FilesBySize, prompts: Prompts, steps: Steps) -> dict[str, Images]:
    """What each size made of them."""
    name = cell_name(steps, 1.0)
    return {size: samples.read_images(path, name, prompts) for size, path in images.items()}


def draw(
    around: Annotated[Mapping[str, Images], Read(read_around)],
    sizes: Annotated[Mapping[str, Images], Read(read_sizes)],
    labels: Captions,
    family: Family,
    setting: Annotated[str, Read(samples.steps_label)],
) -> Figure:
    """The figure: images `around` (low, bicubic, original, by what they are) and by size."""
    low, bicubic, original = around.items()
    columns = [low, bicubic, *sizes.items(), original]
    heads = [low[0], bicubic[0], *samples.size_heads(list(sizes), family), original[0]]
    tiles = [[images[number] for _, images in columns] for number in range(len(labels))]
    note = f"{setting}, without guidance. The noise of a row is the same for every size."
    return samples.draw_blocks([samples.Block(tiles, heads, labels)], note)
