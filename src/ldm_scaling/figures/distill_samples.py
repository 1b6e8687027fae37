"""The same prompts and noise of every size before and after distillation.

A block for each prompt: undistilled models at few steps, their students at as many, undistilled
models at the most steps. Each is at the guidance that the search chose for it. After Mei et al.,
arXiv 2404.01367, Figure 20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.cli import InputError, parser, run
from ..jobs.tables import CELLS, FAMILY, OK, read_table
from ..kinds.cells import cell_name
from ..study.distill import FEW_STEPS
from ..tables.budgets import of_model
from ..workflow.stages import DISTILL, PRETRAIN
from . import samples


@dataclass(frozen=True)
class Shown:
    """The images of a model at a step count, one of each prompt, and the guidance it chose."""

    images: Sequence[np.ndarray | str]
    guidance: str


def draw(
    rows: Mapping[str, Mapping[str, Shown]], captions: list[str], family: pd.DataFrame, setting: str
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
    return samples.draw(blocks, note + (", * at an end of the grid." if ends else "."))


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
        return Shown([samples.DIVERGED] * len(prompts), "")
    images = samples.read_images(path, cell_name(steps, chosen["guidance"]), prompts)
    return Shown(images, f"s = {chosen['guidance']:g}{'*' if chosen['at_boundary'] else ''}")


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    samples.add_images(arguments, "--students", "images of the student of a size")
    arguments.add_argument("--best", required=True, type=Path, help="best guidances of --images")
    arguments.add_argument(
        "--best-students", required=True, type=Path, help="best guidances of --students"
    )
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    arguments.add_argument("--seed", required=True, type=int, help="training seed of the models")
    arguments.add_argument(
        "--steps", required=True, type=int, nargs=2, help="of undistilled models: few, and many"
    )
    options = arguments.parse_args()
    few, many = options.steps
    rows = {
        f"undistilled,\n{few} steps": (PRETRAIN, options.images, options.best, few),
        f"distilled,\n{FEW_STEPS} steps": (
            DISTILL,
            options.students,
            options.best_students,
            FEW_STEPS,
        ),
        f"undistilled,\n{many} steps": (PRETRAIN, options.images, options.best, many),
    }
    shown, samplers = {}, {}
    for label, (stage, pairs, table, steps) in rows.items():
        best = read_table(table, CELLS)
        samplers[stage] = best["sampler"].iloc[0]
        shown[label] = {
            size: read_shown(path, best, (stage, size, options.seed), steps, options.prompts)
            for size, path in samples.files_by_size(pairs).items()
        }
    captions = samples.read_captions(options.captions, options.prompts)
    family = read_table(options.family, FAMILY)
    setting = f"Undistilled: {samplers[PRETRAIN]}, distilled: {samplers[DISTILL]}."
    samples.save(draw(shown, captions, family, setting), options)


if __name__ == "__main__":
    run(main)
