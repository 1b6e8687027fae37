"""Put the tables of several stages and samplers one below the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd

from ..jobs.command import command
from ..jobs.tables import BEST, CELLS, ON_GPU, read_table, to_csv
from ..jobs.workdir import write_text
from .arguments import Out

_Tables = Annotated[list[Path], "the table of each"]


@command
def main(cells: _Tables, cells_out: Out, best: _Tables, best_out: Out) -> None:
    """Write one cells.csv and one best.csv."""
    for paths, columns, out in ((cells, CELLS, cells_out), (best, BEST, best_out)):
        tables = [read_table(path, columns, ON_GPU) for path in paths]
        write_text(out, to_csv(pd.concat(tables, ignore_index=True)))
