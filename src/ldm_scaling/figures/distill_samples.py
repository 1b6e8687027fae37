"""The same prompts and noise of every size before and after distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.cli import InputError
from ..jobs.command import Option, Read, csv
from ..jobs.tables import CELLS, OK
from ..kinds.cells import cell_name
from ..kinds.stages import DISTILL, PRETRAIN
from ..study.distill import FEW_STEPS
from ..tables.arguments import Family
from ..tables.budgets import of_model
from . import samples
from .samples import Captions, FilesBySize, Prompts

Best = Annotated[pd.DataFrame, csv("best guidances of --images", CELLS)]
BestOfStudents = Annotated[pd.DataFrame, csv("best guidances of --students", CELLS)]


@dataclass(frozen=True)
class Shown:
    """The images of a model at a step count, one of each prompt, and the guidance it chose."""

    images: Sequence[np.ndarray | str]
    guidance: str


def read_shown(
    path: Path, best: pd.DataFrame, model: tuple[str, str, int], steps: int, prompts: list[int]
) -> Shown:
    """The images of a model (stage, size, seed) at a step count and its best guidance there.

    Raises InputError if the model or the step count is not in the table of best guidances.
    """
    rows = of_model(best, *model)
    if steps not in set(rows["steps"]):
        raise InputError(f"{steps} steps of {model[0]} {model[1]} are not in the table")
    chosen = rows[rows["steps"] == steps].iloc[0]
    if chosen["status"] != OK:
        return Shown([samples.worded(chosen["status"])] * len(prompts), "")
    images = samples.read_images(path, cell_name(steps, chosen["guidance"]), prompts)
    return Shown(images, f"s = {chosen['guidance']:g}{'*' if chosen['at_boundary'] else ''}")


def read_rows(
    images: FilesBySize,
    students: FilesBySize,
    best: Best,
    best_students: BestOfStudents,
    prompts: Prompts,
    seed: Annotated[int, "training seed of the models"],
    steps: Annotated[list[int], Option("of undistilled models: few, and many", int, nargs=2)],
) -> dict[str, dict[str, Shown]]:
    """The images of the prompts, by what a row shows and by size."""
    few, many = steps
    rows = {
        f"undistilled,\n{few} steps": (PRETRAIN, images, best, few),
        f"distilled,\n{FEW_STEPS} steps": (DISTILL, students, best_students, FEW_STEPS),
        f"undistilled,\n{many} steps": (PRETRAIN, images, best, many),
    }
    return {
        label: {
            size: read_shown(path, table, (stage, size, seed), count, prompts)
            for size, path in files.items()
        }
        for label, (stage, files, table, count) in rows.items()
    }


def setting_label(best: Best, best_students: BestOfStudents) -> str:
    """How images were sampled, for readers."""
    undistilled, distilled = (table["sampler"].iloc[0] for table in (best, best_students))
    return f"Undistilled: {undistilled}, distilled: {distilled}."


def draw(
    rows: Annotated[Mapping[str, Mapping[str, Shown]], Read(read_rows)],
    captions: Captions,
    family: Family,
    setting: Annotated[str, Read(setting_label)],
) -> Figure:
    """The figure, of rows by what they show, each by size; `setting` is noted."""
    heads = samples.size_heads(list(next(iter(rows.values()))), family)
    blocks = [
        samples.Block(
            tiles=[[shown.images[number] for shown in row.values()] for row in rows.values()],
            heads=heads,
            labels=list(rows),
            title=caption,
            under=[[shown.guidance for shown in row.values()] for row in rows.values()],
        )
        for number, caption in enumerate(captions)
    ]
    note = f"{setting} The noise of a prompt is the same in every tile; s: the best guidance scale"
    ends = any(shown.guidance.endswith("*") for row in rows.values() for shown in row.values())
    return samples.draw_blocks(blocks, note + (", * at an end of the grid." if ends else "."))
