"""Put the tables of several stages and samplers one below the other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..jobs.cli import parser, run
from ..jobs.tables import CELLS, read_table, to_csv
from ..jobs.workdir import write_text


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    for name in ("cells", "best"):
        many = {"required": True, "nargs": "+", "type": Path}
        arguments.add_argument(f"--{name}", **many, help=f"a {name}.csv of each")
        arguments.add_argument(f"--{name}-out", required=True, type=Path)
    options = arguments.parse_args()
    kinds = ((options.cells, CELLS, options.cells_out), (options.best, CELLS, options.best_out))
    for paths, columns, out in kinds:
        tables = [read_table(path, columns) for path in paths]
        write_text(out, to_csv(pd.concat(tables, ignore_index=True)))


if __name__ == "__main__":
    run(main)
