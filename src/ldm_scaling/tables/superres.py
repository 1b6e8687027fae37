"""Every model of super-resolution after its whole training, beside enlarging without one.

One row for each model and metric, in the columns `SUPERRES`, at the steps at which checkpoints are
measured. `bicubic` and `reconstruction` are of superres_baselines.csv.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from ..jobs.command import Read, command, csv
from ..jobs.tables import to_csv
from ..jobs.workdir import write_text
from .arguments import FLOOR_COLUMNS, Confidence, Out, SeveralCellFiles, Steps
from .at_setting import read_at_setting
from .values import Values, with_intervals

SUPERRES = ["model", "size", "params", "steps", "metric", "value", "lo", "hi", "n", "status"]


def superres_table(baselines: pd.DataFrame, cells: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows: baselines first, then the models of each table of cells with their intervals."""
    own = [baselines.rename(columns={"kind": "model"}).assign(status="ok")]
    for table in cells:
        rows = table[table["trained"] == 1].sort_values("params", kind="stable")
        own.append(rows.assign(model=rows["stage"]))
    table = pd.concat(own, ignore_index=True).reindex(columns=SUPERRES)
    return table.astype({"params": "Int64", "steps": "Int64", "n": "Int64"})


def read_every_stage(cells: SeveralCellFiles, steps: Steps, confidence: Confidence) -> list[Values]:
    """The cells of each stage and metric, which are sampled without guidance."""
    setting = (steps, 1.0, confidence)
    return [own for paths in cells for own in read_at_setting(*paths, setting)]


@command
def main(
    baselines: Annotated[pd.DataFrame, csv("superres_baselines.csv", FLOOR_COLUMNS)],
    values: Annotated[list[Values], Read(read_every_stage)],
    confidence: Confidence,
    out: Out,
) -> None:
    """Write superres.csv."""
    tables = [with_intervals(own, confidence) for own in values]
    write_text(out, to_csv(superres_table(baselines, tables)))
