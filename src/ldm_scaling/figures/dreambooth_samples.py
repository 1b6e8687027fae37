"""Subjects beside what each size makes of them: the same prompt and noise in every size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.cli import InputError
from ..jobs.command import Read, csv
from ..kinds.stages import DREAMBOOTH, PRETRAIN
from ..study.dreambooth import PLACE
from ..tables.arguments import Family
from ..tables.dreambooth import SUBJECTS
from . import samples
from .samples import FilesBySize, Setting

MOST = 3
"""subjects, and prompts, that are drawn"""


SubjectTable = Annotated[pd.DataFrame, csv("subjects.csv", SUBJECTS)]
Prompts = Annotated[list[str], "prompts of the images"]


def read_taught(
    images: FilesBySize, subjects: SubjectTable, prompts: Prompts
) -> dict[str, dict[str, np.ndarray]]:
    """The images by stage and size. Raises InputError if they are of other subjects or prompts."""
    found = {
        stage: {size: map_array(path, f"{stage}/images") for size, path in images.items()}
        for stage in (PRETRAIN, DREAMBOOTH)
    }
    wanted = (len(subjects), len(prompts))
    for size, path in images.items():
        if (shape := found[DREAMBOOTH][size].shape[:2]) != wanted:
            raise InputError(
                f"{path} has images of {shape[0]} subjects and {shape[1]} prompts, not of"
                f" {wanted[0]} and {wanted[1]}; delete it and run again"
            )
    return found


def read_real(
    real: Annotated[Path, "subjects.safetensors"], subjects: SubjectTable
) -> list[list[np.ndarray]]:
    """The images of each subject."""
    pixels, numbers = (np.asarray(map_array(real, name)) for name in ("images", "subject"))
    return [list(pixels[numbers == number]) for number in range(len(subjects))]


def names_of(subjects: SubjectTable) -> list[str]:
    """The names of the subjects."""
    return subjects["name"].tolist()


def draw(
    images: Annotated[Mapping[str, Mapping[str, np.ndarray]], Read(read_taught)],
    real: Annotated[list[list[np.ndarray]], Read(read_real)],
    subjects: Annotated[list[str], Read(names_of)],
    prompts: Prompts,
    family: Family,
    setting: Setting,
) -> Figure:
    """The figure, of images [K, T, 3, S, S] by stage and size, and of those of each subject.

    It draws the first subjects and prompts. A black image has diverged.
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
    return samples.draw_blocks(blocks, note)


def _tile(image: np.ndarray) -> np.ndarray | str:
    return image if image.any() else samples.FAILED
