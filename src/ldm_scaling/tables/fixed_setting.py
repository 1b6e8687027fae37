"""Every size after its whole training, at the study's fixed setting: one row for each metric.

What Mei et al. print of a size, arXiv 2404.01367, Table 1, stands beside the metrics of that name,
if the family is theirs: theirs are of 30,000 images of COCO-2014, DDIM, 50 steps, guidance 7.5.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pandas as pd

from ..costs.published import published_results
from ..jobs.cli import InputError, parser, run
from ..jobs.tables import OK, read_table, to_csv
from ..jobs.workdir import write_text
from ..workflow.specs.costs import CostSpec
from .values import Values, interval, read_values

FIXED_SETTING = ["size", "params", "gflops", "normalized_cost", "sampler", "steps", "guidance"]
FIXED_SETTING += ["metric", "value", "lo", "hi", "n", "published", "status"]
Setting = tuple[int, float, float]
"""steps, guidance, and the confidence of the intervals"""


def at_setting(values: Values, steps: int, guidance: float, confidence: float) -> Values:
    """The cells of this setting, kept checkpoints too, as means over training seeds.

    Raises InputError if there are none.
    """
    rows = values.rows
    chosen = (rows["steps"] == steps) & (rows["guidance"] == guidance)
    if not chosen.any():
        raise InputError(
            f"no cell of {steps} steps at guidance {guidance:g} was measured: sampling.fixed"
        )
    return values.where(chosen).over_seeds(confidence)


def with_intervals(values: Values, confidence: float) -> pd.DataFrame:
    """The rows with value, lo, hi and status as the draws have them."""
    found = np.array([interval(draws, confidence) for draws in values.draws])
    rows = values.rows.assign(**dict(zip(["value", "lo", "hi"], found.T, strict=True)))
    return rows.assign(status=np.where(np.isfinite(found[:, 0]), OK, "diverged"))


def fixed_setting_table(values: list[Values], spec: CostSpec, confidence: float) -> pd.DataFrame:
    """One row for each size and metric, in the columns `FIXED_SETTING`; smallest size first.

    `values` are of `at_setting`, one for each metric; `published` is empty where the paper prints
    nothing of that metric, or not of this family.
    """
    tables = [with_intervals(own.where(own.rows["trained"] == 1), confidence) for own in values]
    rows = pd.concat(tables, ignore_index=True).sort_values("params", kind="stable")
    printed = [published_results(spec, row.size).get(row.metric) for row in rows.itertuples()]
    return rows.assign(published=pd.Series(printed, rows.index, dtype=float))[FIXED_SETTING]


def add_cells(arguments: ArgumentParser) -> None:
    """Add the arguments of what reads the cells of a fixed setting."""
    arguments.add_argument("--cells", required=True, type=Path, help="cells.csv of one sampler")
    arguments.add_argument("--draws", required=True, type=Path, help="draws.safetensors beside it")
    arguments.add_argument("--steps", required=True, type=int, help="of the fixed setting")
    arguments.add_argument("--guidance", required=True, type=float, help="of the fixed setting")
    arguments.add_argument("--confidence", required=True, type=float, help="of the intervals")


def read_cells(
    cells: Path, draws: Path, setting: Setting, metrics: list[str] | None = None
) -> list[Values]:
    """The cells of a setting, of these metrics or of all that were measured."""
    if metrics is None:
        metrics = list(read_table(cells, ["metric"])["metric"].unique())
    return [at_setting(read_values(cells, draws, metric), *setting) for metric in metrics]


def setting_of(options: Namespace) -> Setting:
    """What `add_cells` reads."""
    return options.steps, options.guidance, options.confidence


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, CostSpec)
    add_cells(arguments)
    arguments.add_argument("--out", required=True, type=Path, help="fixed_setting.csv")
    options = arguments.parse_args()
    values = read_cells(options.cells, options.draws, setting_of(options))
    table = fixed_setting_table(values, options.spec, options.confidence)
    write_text(options.out, to_csv(table))


if __name__ == "__main__":
    run(main)
