"""Collect the metrics of all cells into two tidy tables.

`cells.csv` has one row for each cell and metric, with what the cell costs. `best.csv` has, for
each (stage, size, seed, sampler, steps), the rows of the cell whose guidance gives the lowest
value of the selecting metric; `at_boundary` says that this guidance is at an end of the grid and
that a scale beyond it could be better: guidance 1 is the lowest there is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..cli import InputError, parser, run
from ..metrics_section import HIGHER_IS_BETTER
from ..workdir import write_text

OK = "ok"
MODEL = ["stage", "size", "seed", "sampler"]
MEASURED = ["steps", "guidance", "metric", "value", "lo", "hi", "n", "nfe", "seconds", "status"]
FAMILY = ["size", "channels", "params", "gflops", "normalized_cost"]
COSTS = ["params", "gflops", "normalized_cost", "sampling_cost", "guided_cost", "seconds"]
CELLS = [*MODEL, *MEASURED[:-2], *COSTS, "status"]
BEST = [*CELLS, "at_boundary"]

_INTEGERS = dict.fromkeys(["seed", "steps", "n", "nfe", "channels", "params"], "Int64")
_NUMBERS = ["guidance", "value", "lo", "hi", "seconds", "gflops", "normalized_cost"]


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """These columns of a CSV file.

    Raises InputError if the file is missing, broken, without rows or without one of the columns.
    """
    types = _INTEGERS | dict.fromkeys(_NUMBERS, "float64")
    try:
        table = pd.read_csv(path, dtype=types)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from None
    if absent := [column for column in columns if column not in table]:
        raise InputError(f"{path} has no column {', '.join(absent)}")
    if table.empty:
        raise InputError(f"{path} has no rows")
    return table[columns]


def cells_table(measured: pd.DataFrame, family: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell and metric, with costs, in the columns `CELLS`.

    `measured` has the columns MODEL and MEASURED. The sampling cost is normalized cost x steps
    (Mei et al., arXiv 2404.01367); the guided cost is normalized cost x NFE.
    Raises InputError for unknown sizes, rows that stand twice, and mixed n.
    """
    _check(measured, family)
    cells = measured.merge(family, on="size", validate="many_to_one")
    cells["sampling_cost"] = cells["normalized_cost"] * cells["steps"].astype(float)
    cells["guided_cost"] = cells["normalized_cost"] * cells["nfe"].astype(float)
    order = ["stage", "channels", "seed", "sampler", "steps", "guidance", "metric"]
    return cells.sort_values(order, ignore_index=True)[CELLS]


def _check(measured: pd.DataFrame, family: pd.DataFrame) -> None:
    if unknown := sorted(set(measured["size"]) - set(family["size"])):
        raise InputError(f"size {unknown[0]} is not in the family table")
    identity = [*MODEL, "steps", "guidance", "metric"]
    if measured[[*identity, "status"]].isna().any(axis=None):
        raise InputError("a measured row lacks its steps, guidance, metric or status")
    if (twice := measured.duplicated(identity)).any():
        first = measured.loc[twice, identity].iloc[0]
        raise InputError(f"measured twice: {' '.join(map(str, first))}")
    succeeded = measured[measured["status"] == OK]
    if not np.isfinite(succeeded["value"]).all():
        raise InputError("a row has status ok but no finite value; measure that cell again")
    for metric, counts in succeeded.groupby("metric")["n"]:
        if counts.nunique(dropna=False) > 1:
            found = ", ".join(map(str, sorted(counts.dropna().unique())))
            raise InputError(
                f"{metric} was measured with n = {found}: different n are never drawn on one"
                " axis; measure all cells with the same sampling.n"
            )


def best_table(cells: pd.DataFrame, select_by: str) -> pd.DataFrame:
    """The rows of each (model, sampler, steps) at its best guidance, in the columns `BEST`.

    The best cell has the lowest `select_by` among those with status ok. A group without one keeps
    a row for each metric, with its status and without guidance and value.
    Raises InputError for a metric that was not measured, or whose lowest value is not the best.
    """
    require_lower_is_better(select_by)
    if select_by not in set(cells["metric"]):
        known = ", ".join(sorted(cells["metric"].unique()))
        raise InputError(f"--select-by {select_by}: no such metric was measured (known: {known})")
    groups = cells.groupby([*MODEL, "steps"], sort=False)
    best = pd.concat([_choose(group, select_by) for _, group in groups], ignore_index=True)
    best.loc[best["status"] != OK, ["value", "lo", "hi"]] = float("nan")
    return best[BEST]


def require_lower_is_better(metric: str) -> None:
    """Raise InputError for a metric whose lowest value is not the best."""
    if metric in HIGHER_IS_BETTER:
        raise InputError(f"metric {metric}: higher is better, it chooses nothing; name another")


def _choose(group: pd.DataFrame, select_by: str) -> pd.DataFrame:
    selecting = group[group["metric"] == select_by]
    if selecting.empty:
        name = " ".join(str(group[column].iloc[0]) for column in [*MODEL, "steps"])
        raise InputError(f"{select_by} was not measured for {name} steps")
    candidates = selecting[selecting["status"] == OK]
    if candidates.empty:
        rows = group.drop_duplicates("metric").assign(at_boundary=False)
        # Nothing was chosen, so what belongs to one guidance is empty; the sampling cost stays.
        rows[["guidance", "guided_cost", "seconds"]] = float("nan")
        rows = rows.assign(nfe=pd.NA, status=selecting["status"].iloc[0])
        return rows.astype({"nfe": "Int64"})
    guidance = candidates.loc[candidates["value"].idxmin(), "guidance"]
    # Failed cells are part of the grid: a choice beside a diverged one is bracketed by it.
    lowest, highest = group["guidance"].min(), group["guidance"].max()
    at_boundary = guidance == highest or guidance == lowest > 1
    return group[group["guidance"] == guidance].assign(at_boundary=at_boundary)


def to_csv(table: pd.DataFrame) -> str:
    """A table as compact, stable CSV text."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--select-by", required=True, help="metric that chooses the guidance")
    arguments.add_argument("--family", required=True, type=Path, help="table of sizes and costs")
    arguments.add_argument(
        "--metrics",
        required=True,
        nargs=5,
        action="append",
        metavar=("STAGE", "SIZE", "SEED", "SAMPLER", "FILE"),
        help="metrics of the cells of one model and sampler; repeat for each",
    )
    arguments.add_argument("--cells-out", required=True, type=Path)
    arguments.add_argument("--best-out", required=True, type=Path)
    options = arguments.parse_args()
    tables = []
    for stage, size, seed, sampler, path in options.metrics:
        if not seed.isdecimal():
            arguments.error(f"argument --metrics: seed {seed} is no number")
        model = {"stage": stage, "size": size, "seed": int(seed), "sampler": sampler}
        tables.append(read_table(Path(path), MEASURED).assign(**model))
    measured = pd.concat(tables, ignore_index=True)
    cells = cells_table(measured, read_table(options.family, FAMILY))
    best = best_table(cells, options.select_by)
    write_text(options.cells_out, to_csv(cells))
    write_text(options.best_out, to_csv(best))
    chosen = best[best["metric"] == options.select_by]
    print(
        f"{len(cells)} rows; best guidance for {(chosen['status'] == OK).sum()} of {len(chosen)}"
        f" (model, sampler, steps), {chosen['at_boundary'].sum()} at an end of the grid"
    )


if __name__ == "__main__":
    run(main)
