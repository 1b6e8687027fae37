"""Put tables of the same columns one below the other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..cli import parser, run
from ..workdir import write_text
from .collect import CELLS, read_table, to_csv


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("tables", nargs="+", type=Path, help="cells.csv or best.csv of samplers")
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    tables = [read_table(path, CELLS, others=True) for path in options.tables]
    write_text(options.out, to_csv(pd.concat(tables, ignore_index=True)))


if __name__ == "__main__":
    run(main)
