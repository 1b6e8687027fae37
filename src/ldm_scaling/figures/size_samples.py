"""The same prompts and noise in every size, beside the real images.

After Mei et al., arXiv 2404.01367, figures 1 and 14 to 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.cli import parser, run
from ..jobs.tables import FAMILY, read_table
from ..kinds.cells import cell_name
from . import samples


def draw(
    images: Mapping[str, Sequence[np.ndarray | str]],
    real: Sequence[np.ndarray | str],
    captions: list[str],
    family: pd.DataFrame,
    setting: str,
) -> Figure:
    """The figure, of images of the captions by size, and of the real ones; `setting` is noted."""
    heads = samples.size_heads(list(images), family)
    rows = [list(row) for row in zip(*images.values(), real, strict=True)]
    block = samples.Block(tiles=rows, heads=[*heads, "test image"], labels=captions)
    note = f"{setting}. The noise of a row is the same in every column."
    return samples.draw([block], note)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    arguments.add_argument("--real", required=True, type=Path, help="test images")
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    samples.add_setting(arguments)
    options = arguments.parse_args()
    name = cell_name(options.steps, options.guidance)
    images = {
        size: samples.read_images(path, name, options.prompts)
        for size, path in samples.files_by_size(options.images).items()
    }
    real = samples.read_images(options.real, "images", options.prompts)
    captions = samples.read_captions(options.captions, options.prompts)
    family = read_table(options.family, FAMILY)
    samples.save(draw(images, real, captions, family, samples.setting_label(options)), options)


if __name__ == "__main__":
    run(main)
