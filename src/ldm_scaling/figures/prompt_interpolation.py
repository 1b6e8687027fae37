"""Between two prompts: their embeddings interpolated linearly, from the same noise, in every size.

After Mei et al., arXiv 2404.01367, figure 24.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.cli import parser, run
from ..jobs.tables import FAMILY, read_table
from . import samples

_ALPHA = "\N{GREEK SMALL LETTER ALPHA}"


def draw(
    images: Mapping[str, Sequence[np.ndarray | str]],
    alphas: Sequence[float],
    captions: list[str],
    family: pd.DataFrame,
    setting: str,
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
    return samples.draw([block], note)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    samples.add_setting(arguments)
    options = arguments.parse_args()
    files = samples.files_by_size(options.images)
    alphas = [float(alpha) for alpha in map_array(next(iter(files.values())), "alphas")]
    images = {
        size: samples.read_images(path, "interpolation", range(len(alphas)))
        for size, path in files.items()
    }
    captions = samples.read_captions(options.captions, options.prompts[:2])
    family = read_table(options.family, FAMILY)
    setting = samples.setting_label(options)
    samples.save(draw(images, alphas, captions, family, setting), options)


if __name__ == "__main__":
    run(main)
