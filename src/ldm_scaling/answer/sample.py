"""Sample a prompt with the best configuration for a budget, of the models that exist.

It writes a sheet of images that differ by their noise only.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..cells.sheet import draw_sheet
from ..jobs.cli import InputError, positive
from ..jobs.command import Option, Read, command
from ..jobs.tables import kept_of
from ..jobs.workdir import atomic_path
from ..kinds.stages import STITCH
from ..study.study import Study
from ..tables.choose import described
from ..workflow import stages
from ..workflow.specs.cells import CellSpec, SweepSpec
from .budget import Budget, budget, passes
from .models import model_folders
from .question import Question
from .source import Source, own_source, sampled_as

_ANYTHING = 1e12
"""forward passes that everything is within"""


def rows_that_exist(question: Question, study: Study) -> Question:
    """The question to the configurations whose models are on the disk."""
    rows = question.allowed.rows
    # no score is there that could keep one of several images
    keep = [kept_of(row.to_dict()) is None and _is_there(study, row) for _, row in rows.iterrows()]
    if not any(keep):
        raise InputError(f"{study.results}/models has none of the models; run: make figure")
    return question.among(np.array(keep))


def _is_there(study: Study, row: pd.Series) -> bool:
    if study.adopted:
        return stages.adopted(study, row["stage"], row["size"]).folder.is_dir()
    return all(folder.joinpath("summary.json").exists() for folder in model_folders(study, row))


def cell_of(study: Study, row: pd.Series) -> CellSpec:
    """The cell that the study sampled with a configuration."""
    name, allocation = sampled_as(study, row)
    if row["stage"] == STITCH:
        spec = SweepSpec.of_stitched(study, row["size"])
    else:
        spec = SweepSpec.of(study, row["stage"], name, row["size"])
    wanted = (row["steps"], row["guidance"], allocation)
    for cell in spec.possible:
        own = (cell.steps, cell.guidance, cell.allocation and cell.allocated)
        if own == wanted and cell.trained is None:
            return cell
    raise InputError(f"{study.results}/tables are of other settings than the study has; run again")


@command
def main(
    source: Annotated[Source, Read(own_source)],
    prompt: Annotated[str, "what the images shall show"],
    budget: Annotated[
        Budget | None, Option("of an image, such as 2 or 0.05s; none by default", budget)
    ] = None,
    images: Annotated[int | None, Option("how many (8)", positive(int))] = None,
    out: Annotated[Path | None, "PNG to write (sample.png)"] = None,
) -> None:
    """Write the sheet."""
    study, count, out = source.study, images or 8, out or Path("sample.png")
    assert study
    if not prompt.strip():
        raise InputError('--prompt: say what the images shall show, such as "a red heart"')
    question = Question.of(source, None, [], None, study.metrics.confidence)
    question, budget = rows_that_exist(question, study), budget or passes(_ANYTHING)
    choice = question.choose(budget.axis, question.limit(budget))
    if choice is None:
        raise InputError(f"--budget {budget.text}: no model that exists is so cheap")
    row = question.row(choice.row)
    cell = cell_of(study, row)
    from .maker import maker_of  # seconds of import, once there is something to sample

    maker = maker_of(study, row, prompt, count)
    began = time.monotonic()
    made, finite = maker.images(cell, range(count))
    seconds = (time.monotonic() - began) / count
    if not finite:
        raise InputError(f"{described(row, question.allowed.rows)}: samples are not finite")
    with atomic_path(out) as path:
        draw_sheet(made, [f"seed {number}" for number in range(count)]).save(path, format="png")
    print(f"{out}: {described(row, question.allowed.rows)}; {seconds:.3g} s an image")
