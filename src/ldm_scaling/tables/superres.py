"""Every model of super-resolution after its whole training, beside enlarging without one.

One row for each model and metric, in the columns `SUPERRES`, at the steps at which checkpoints are
measured. `bicubic` and `reconstruction` are of superres_baselines.csv.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..jobs.cli import fraction, parser, run
from ..jobs.tables import read_table, to_csv
from ..jobs.workdir import write_text
from .at_setting import read_at_setting
from .values import add_cells, with_intervals

SUPERRES = ["model", "size", "params", "steps", "metric", "value", "lo", "hi", "n", "status"]
BASELINES = ["kind", "metric", "value", "lo", "hi", "n"]


def superres_table(baselines: pd.DataFrame, cells: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows: baselines first, then the models of each table of cells with their intervals."""
    own = [baselines.rename(columns={"kind": "model"}).assign(status="ok")]
    for table in cells:
        rows = table[table["trained"] == 1].sort_values("params", kind="stable")
        own.append(rows.assign(model=rows["stage"]))
    table = pd.concat(own, ignore_index=True).reindex(columns=SUPERRES)
    return table.astype({"params": "Int64", "steps": "Int64", "n": "Int64"})


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--baselines", required=True, type=Path, help="superres_baselines.csv")
    add_cells(arguments, "cells.csv of a stage and the draws beside it; repeat for each")
    arguments.add_argument("--steps", required=True, type=int, help="of the cells")
    arguments.add_argument("--confidence", required=True, type=fraction, help="of the intervals")
    arguments.add_argument("--out", required=True, type=Path, help="superres.csv")
    options = arguments.parse_args()
    setting = (options.steps, 1.0, options.confidence)
    values = [own for paths in options.cells for own in read_at_setting(*paths, setting)]
    tables = [with_intervals(own, options.confidence) for own in values]
    table = superres_table(read_table(options.baselines, BASELINES), tables)
    write_text(options.out, to_csv(table))


if __name__ == "__main__":
    run(main)
