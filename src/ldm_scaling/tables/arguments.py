"""What several commands take: types of their parameters, and how each one is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd

from ..jobs.cli import fraction, positive
from ..jobs.command import Option, Read, csv
from ..jobs.tables import FAMILY, FLOOR_COLUMNS, PARTS, TOLD, read_table
from .values import Values, read_values

_CELLS = {"parse": Path, "nargs": 2, "names": ("CELLS", "DRAWS")}
_NUMBERS = dict.fromkeys(["value", "lo", "hi"], float)

Metric = Annotated[str, "a metric of the cells"]
Metrics = Annotated[list[str], "metrics of the cells"]
SelectBy = Annotated[str, "metric that chooses the guidance"]
Confidence = Annotated[float, Option("of intervals", fraction)]
CellFiles = Annotated[tuple[Path, Path], Option("cells.csv and the draws beside it", **_CELLS)]
SeveralCellFiles = Annotated[
    list[tuple[Path, Path]],
    Option("cells.csv and the draws beside it; repeat for each", repeated=True, **_CELLS),
]
Baselines = Annotated[pd.DataFrame, csv("superres_baselines.csv", FLOOR_COLUMNS)]
Family = Annotated[pd.DataFrame, csv("family.csv", FAMILY)]
FamilyParts = Annotated[pd.DataFrame, csv("family.csv", [*FAMILY, *PARTS], [TOLD])]
Sampler = Annotated[str, "sampler of the cells"]
Steps = Annotated[int, "denoising steps of the cells"]
Guidance = Annotated[float, "guidance scale of the cells"]
TrainingSd = Annotated[
    float | None,
    Option("of the selecting metric's logarithm between trainings, for draws", positive(float)),
]
Out = Annotated[Path, "file to write"]


def read_floors(
    floors: Annotated[Path | None, "floors.csv, if there are real images"] = None,
) -> pd.DataFrame:
    """The floors; no rows where there are prompts alone."""
    if floors is None:
        return pd.DataFrame(columns=FLOOR_COLUMNS).astype(_NUMBERS)
    return read_table(floors, FLOOR_COLUMNS)


def read_cells(cells: CellFiles, metric: Metric) -> Values:
    """The cells of a metric."""
    return read_values(*cells, metric)


def read_several(cells: SeveralCellFiles, metric: Metric) -> list[Values]:
    """The cells of a metric, of each table."""
    return [read_values(*files, metric) for files in cells]


def read_beside_students(cells: SeveralCellFiles, metric: Metric) -> list[Values]:
    """The cells of a metric of undistilled models, and those of each stage of students.

    Only undistilled models of the students' training seeds: a student is compared with its own
    teacher, whose luck it shares.
    """
    undistilled, *students = read_several(cells, metric)
    seeds = {seed for own in students for seed in own.rows["seed"]}
    return [undistilled.of_seeds(seeds), *students]


Floors = Annotated[pd.DataFrame, Read(read_floors)]
Cells = Annotated[Values, Read(read_cells)]
SeveralCells = Annotated[list[Values], Read(read_several)]
CellsBesideStudents = Annotated[list[Values], Read(read_beside_students)]
