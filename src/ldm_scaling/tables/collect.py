"""Collect the metrics of all cells of a stage and sampler into tidy tables.

`cells.csv` has one row for each cell and metric, with what the cell costs; `grid` says whether the
cell is one of the guidance search, which those of the fixed setting and of kept checkpoints are
not, and `at_boundary` that its guidance is at an end of the grid and that a scale beyond it could
be better: guidance 1 is the lowest there is. `best.csv` has, for each (stage, size, seed, sampler,
steps), the rows of the cell whose guidance gives the lowest value of the selecting metric.
`draws.safetensors` has for each row of `cells.csv` what resamples give instead of its value.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..cli import InputError, parser, run
from ..metrics_section import HIGHER_IS_BETTER
from ..shards import map_array, read_header, write_arrays
from ..specs import cell_name
from ..workdir import file_hash, write_text

OK = "ok"
MODEL = ["stage", "size", "seed", "sampler"]
CELL = ["steps", "guidance", "trained"]
"""what tells the cells of a model and sampler apart"""
MEASURED = [*CELL, "metric", "value", "lo", "hi", "n", "nfe", "seconds", "status"]
FAMILY = ["size", "channels", "params", "gflops", "normalized_cost"]
PARTS = ["text_gflops", "decoder_gflops", "caption_gflops"]
"""of family.csv: what a total counts beside the U-Net"""
COSTS = ["params", "gflops", "normalized_cost", "sampling_cost", "guided_cost", "total_cost"]
CELLS = [*MODEL, *MEASURED[:-2], *COSTS, "seconds", "grid", "status", "at_boundary"]

_INTEGERS = dict.fromkeys(["seed", "steps", "n", "nfe", "channels", "params"], "Int64")
_NUMBERS = ["guidance", "trained", "value", "lo", "hi", "seconds", "gflops", "normalized_cost"]


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


def cells_table(
    measured: pd.DataFrame, family: pd.DataFrame, grid: tuple[list[int], list[float]]
) -> pd.DataFrame:
    """One row for each cell and metric, with costs, in the columns `CELLS`.

    `measured` has the columns MODEL and MEASURED and keeps its index; `grid` has the step counts
    and scales of the guidance search. The sampling cost is normalized cost x steps (Mei et al.,
    arXiv 2404.01367); the guided cost is normalized cost x NFE. The total cost counts the
    arithmetic that is really done for an image, in the same unit: each evaluation, but the text's
    keys and values once, the decoder and the text encoder.
    Raises InputError for unknown sizes, rows that stand twice, and mixed n.
    """
    _check(measured, family)
    cells = measured.join(family.set_index("size"), on="size", validate="many_to_one")
    steps, nfe = cells["steps"].astype(float), cells["nfe"].astype(float)
    cells["sampling_cost"] = cells["normalized_cost"] * steps
    cells["guided_cost"] = cells["normalized_cost"] * nfe
    texts = nfe / steps  # the caption, and with guidance the empty one
    gflops = nfe * (cells["gflops"] - cells["text_gflops"]) + texts * (
        cells["text_gflops"] + cells["caption_gflops"]
    )
    reference = cells["gflops"] / cells["normalized_cost"]
    cells["total_cost"] = (gflops + cells["decoder_gflops"]) / reference
    cells["grid"] = (
        (cells["trained"] == 1) & cells["steps"].isin(grid[0]) & cells["guidance"].isin(grid[1])
    )
    cells["at_boundary"] = cells["grid"] & at_end(cells["guidance"], grid[1])
    order = ["stage", "channels", "seed", "sampler", "steps", "guidance", "metric"]
    return cells.sort_values([*order, "trained"])[CELLS]


def _check(measured: pd.DataFrame, family: pd.DataFrame) -> None:
    if unknown := sorted(set(measured["size"]) - set(family["size"])):
        raise InputError(f"size {unknown[0]} is not in the family table")
    identity = [*MODEL, *CELL, "metric"]
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
    """The rows of each (model, sampler, steps) at the grid's best guidance, in columns `CELLS`.

    The best cell has the lowest `select_by` among those with status ok. A group without one keeps
    a row for each metric, with its status and without guidance and value.
    Raises InputError for a metric that was not measured, or whose lowest value is not the best.
    """
    require_lower_is_better(select_by)
    if select_by not in set(cells["metric"]):
        known = ", ".join(sorted(cells["metric"].unique()))
        raise InputError(f"--select-by {select_by}: no such metric was measured (known: {known})")
    groups = cells[cells["grid"]].groupby([*MODEL, "steps"], sort=False)
    best = pd.concat([_choose(group, select_by) for _, group in groups], ignore_index=True)
    best.loc[best["status"] != OK, ["value", "lo", "hi"]] = float("nan")
    return best[CELLS]


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
        rows[["guidance", "guided_cost", "total_cost", "seconds"]] = float("nan")
        rows = rows.assign(nfe=pd.NA, status=selecting["status"].iloc[0])
        return rows.astype({"nfe": "Int64"})
    guidance = candidates.loc[candidates["value"].idxmin(), "guidance"]
    return group[group["guidance"] == guidance]


def at_end(guidance: pd.Series, scales: list[float]) -> pd.Series:
    """Whether a scale beyond each one could be better than all that are tried.

    Failed ones are tried too: a choice beside a diverged one is bracketed by it. Where 1 is the
    only scale there is no guidance, and no choice.
    """
    ends = {max(scales)} | ({min(scales)} - {1}) if max(scales) > 1 else set()
    return guidance.isin(ends)


def to_csv(table: pd.DataFrame) -> str:
    """A table as compact, stable CSV text."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def draws_of(measured: pd.DataFrame, path: Path) -> np.ndarray:
    """The draws [rows, R] of the rows of a metrics.csv, nan where a cell failed.

    Raises InputError if the file lacks one.
    """
    arrays = set(read_header(path)) - {"__metadata__"}
    names = [
        f"{cell_name(row.steps, row.guidance, row.trained, getattr(row, 'allocation', None))}"
        f"/{row.metric}"
        for row in measured.itertuples()
    ]
    lacking = [
        name
        for name, status in zip(names, measured["status"], strict=True)
        if status == OK and name not in arrays
    ]
    if lacking:
        raise InputError(f"{path} has no draws of {lacking[0]}; delete it and run again")
    found = {name: np.asarray(map_array(path, name)) for name in names if name in arrays}
    length = len(next(iter(found.values()), []))
    return np.array([found.get(name, np.full(length, np.nan)) for name in names])


def read_measured(
    models: list[list[str]], names: list[str], columns: list[str] = MEASURED
) -> tuple[pd.DataFrame, np.ndarray]:
    """The cells of all models, with what `names` them, and their draws [rows, R].

    Each of `models` has a value for each name, then its metrics.csv and draws.safetensors. A model
    whose cells all failed has draws of nan. Raises InputError if a seed is no number.
    """
    tables, draws = [], []
    for *values, metrics, drawn in models:
        model = dict(zip(names, values, strict=True))
        if not model["seed"].isdecimal():
            raise InputError(f"--metrics: seed {model['seed']} is no number")
        own = read_table(Path(metrics), columns).assign(**model | {"seed": int(model["seed"])})
        tables.append(own)
        draws.append(draws_of(own, Path(drawn)))
    count = max(own.shape[1] for own in draws)
    draws = [own if own.size else np.full((len(own), count), np.nan) for own in draws]
    return pd.concat(tables, ignore_index=True), np.concatenate(draws)


def write_cells(cells: pd.DataFrame, draws: np.ndarray, table: Path, file: Path) -> None:
    """Write the rows of a table of cells, and the draws [rows, R] of each beside it."""
    write_text(table, to_csv(cells))
    write_arrays(file, {"draws": np.ascontiguousarray(draws)}, file_hash(table))


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--select-by", required=True, help="metric that chooses the guidance")
    arguments.add_argument("--family", required=True, type=Path, help="table of sizes and costs")
    arguments.add_argument(
        "--metrics",
        required=True,
        nargs=6,
        action="append",
        metavar=("STAGE", "SIZE", "SEED", "SAMPLER", "METRICS", "DRAWS"),
        help="metrics of the cells of one model and sampler, and their draws; repeat for each",
    )
    arguments.add_argument("--steps", required=True, nargs="+", type=int, help="of the grid")
    arguments.add_argument("--guidance", required=True, nargs="+", type=float, help="of the grid")
    arguments.add_argument("--cells-out", required=True, type=Path)
    arguments.add_argument("--best-out", required=True, type=Path)
    arguments.add_argument("--draws-out", required=True, type=Path)
    options = arguments.parse_args()
    measured, draws = read_measured(options.metrics, MODEL)
    grid = (options.steps, options.guidance)
    cells = cells_table(measured, read_table(options.family, [*FAMILY, *PARTS]), grid)
    best = best_table(cells, options.select_by)
    write_text(options.best_out, to_csv(best))
    write_cells(cells, draws[cells.index], options.cells_out, options.draws_out)
    chosen = best[best["metric"] == options.select_by]
    print(
        f"{len(cells)} rows; best guidance for {(chosen['status'] == OK).sum()} of {len(chosen)}"
        f" (model, sampler, steps), {chosen['at_boundary'].sum()} at an end of the grid"
    )


if __name__ == "__main__":
    run(main)
