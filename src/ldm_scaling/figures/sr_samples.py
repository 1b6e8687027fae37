"""The same low-resolution images enlarged by every size.

A row for each image: the low-resolution version, the same enlarged by a bicubic filter, every size,
the original. After Mei et al., arXiv 2404.01367, Figures 5 and 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.cli import parser, run
from ..jobs.tables import FAMILY, read_table
from ..kinds.cells import cell_name
from . import samples

Images = list[np.ndarray | str]


def draw(
    around: Mapping[str, Images],
    sizes: Mapping[str, Images],
    labels: list[str],
    family: pd.DataFrame,
    setting: str,
) -> Figure:
    """The figure: images `around` (low, bicubic, original, by what they are) and by size."""
    low, bicubic, original = around.items()
    columns = [low, bicubic, *sizes.items(), original]
    heads = [low[0], bicubic[0], *samples.size_heads(list(sizes), family), original[0]]
    tiles = [[images[number] for _, images in columns] for number in range(len(labels))]
    note = f"{setting}. The noise of a row is the same for every size."
    return samples.draw([samples.Block(tiles, heads, labels)], note)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    arguments.add_argument("--enlarged", required=True, type=Path, help="low-resolution images")
    arguments.add_argument("--originals", required=True, type=Path, help="the images themselves")
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    arguments.add_argument("--sampler", required=True, help="sampler of the images")
    arguments.add_argument("--steps", required=True, type=int, help="denoising steps")
    options = arguments.parse_args()
    rows, name = options.prompts, cell_name(options.steps, 1.0)
    around = {
        "low res.": samples.read_images(options.enlarged, "low", rows),
        "bicubic": samples.read_images(options.enlarged, "images", rows),
        "original": list(map_array(options.originals, "images")[rows]),
    }
    sizes = {
        size: samples.read_images(path, name, rows)
        for size, path in samples.files_by_size(options.images).items()
    }
    labels = samples.read_captions(options.captions, rows)
    family = read_table(options.family, FAMILY)
    setting = f"{options.sampler}, {options.steps} steps, without guidance"
    samples.save(draw(around, sizes, labels, family, setting), options)


if __name__ == "__main__":
    run(main)
