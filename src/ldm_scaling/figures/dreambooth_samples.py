"""Subjects beside what each size makes of them: the same prompt and noise in every size.

A block for each prompt, a row for each subject; first the models before they were taught. After Mei
et al., arXiv 2404.01367, Figure 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.cli import InputError, parser, run
from ..jobs.tables import FAMILY, read_table
from ..study.dreambooth import PLACE
from ..tables.dreambooth import SUBJECTS
from ..workflow.stages import DREAMBOOTH, PRETRAIN
from . import samples, style

MOST = 3
"""subjects, and prompts, that are drawn"""


def draw(
    images: Mapping[str, Mapping[str, np.ndarray]],
    real: list[list[np.ndarray]],
    subjects: list[str],
    prompts: list[str],
    family: pd.DataFrame,
    setting: str,
) -> Figure:
    """The figure, of images [K, T, 3, S, S] by stage and size, and of those of each subject.

    Of subjects and prompts the first are drawn. A black image has diverged.
    """
    sizes = list(images[DREAMBOOTH])
    heads = ["subject", *samples.size_heads(sizes, family)]
    shown = range(min(MOST, len(subjects)))

    def block(stage: str, number: int, title: str) -> samples.Block:
        rows = [[images[stage][size][subject, number] for size in sizes] for subject in shown]
        tiles = [[samples.mosaic(real[n]), *map(_tile, row)] for n, row in enumerate(rows)]
        return samples.Block(tiles, heads, [subjects[n] for n in shown], title)

    names = [prompt.replace(PLACE, "[token] [class]") for prompt in prompts[:MOST]]
    blocks = [block(PRETRAIN, 0, f"{names[0]} (before)")]
    blocks += [block(DREAMBOOTH, number, name) for number, name in enumerate(names)]
    note = f"{setting}. The noise of a subject and prompt is the same in every size."
    return samples.draw(blocks, note)


def _tile(image: np.ndarray) -> np.ndarray | str:
    return image if image.any() else samples.DIVERGED


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_images(arguments, "--images", "scores and images of the models of a size")
    arguments.add_argument("--subjects", required=True, type=Path, help="subjects.csv")
    arguments.add_argument("--real", required=True, type=Path, help="subjects.safetensors")
    arguments.add_argument("--prompts", required=True, nargs="+", help="of the images")
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    samples.add_setting(arguments)
    style.add_files(arguments)
    options = arguments.parse_args()
    files = samples.files_by_size(options.images)
    images = {
        stage: {size: map_array(path, f"{stage}/images") for size, path in files.items()}
        for stage in (PRETRAIN, DREAMBOOTH)
    }
    subjects = read_table(options.subjects, SUBJECTS)
    for size, path in files.items():
        found, wanted = images[DREAMBOOTH][size].shape[:2], (len(subjects), len(options.prompts))
        if found != wanted:
            raise InputError(
                f"{path} has images of {found[0]} subjects and {found[1]} prompts, not of"
                f" {wanted[0]} and {wanted[1]}; delete it and run again"
            )
    pixels, numbers = (np.asarray(map_array(options.real, name)) for name in ("images", "subject"))
    real = [list(pixels[numbers == number]) for number in range(len(subjects))]
    family = read_table(options.family, FAMILY)
    setting = samples.setting_label(options)
    names = subjects["name"].tolist()
    samples.save(draw(images, real, names, options.prompts, family, setting), options)


if __name__ == "__main__":
    run(main)
