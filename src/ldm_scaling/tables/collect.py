"""Collect the metrics of all cells of a stage and sampler into tidy tables.

`cells.csv` has one row for each cell and metric, with the cell's costs. `best.csv` has, for each
(stage, size, seed, sampler, steps), the rows of the cell whose guidance gives the best value of
the selecting metric, and how optimistic this choice makes them. `draws.safetensors` has the
bootstrap replicates of each row of `cells.csv`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.choice import at_end, chosen_rows, optimism
from ..jobs.cli import InputError
from ..jobs.command import Option, command
from ..jobs.tables import (
    BEST,
    CELL,
    CELLS,
    MODEL,
    OK,
    ON_GPU,
    TOLD,
    read_measured,
    to_csv,
    write_cells,
)
from ..jobs.workdir import write_text
from ..kinds.metrics import sign
from ..kinds.stages import is_student
from .arguments import FamilyParts, Out, SelectBy, TrainingSd
from .values import with_deviation

Grid = tuple[list[int], list[float]]
"""step counts and scales of the guidance search, ascending"""


def cells_table(
    measured: pd.DataFrame,
    family: pd.DataFrame,
    grid: Grid,
    others: Mapping[str, Grid] | None = None,
) -> pd.DataFrame:
    """One row for each cell and metric, with costs, in the columns `CELLS`, and those `ON_GPU`.

    `measured` has the columns MODEL and MEASURED and keeps its index; `grid` is that of all sizes
    but those in `others`. Other cells, such as the fixed setting, are outside the grid.
    Raises InputError for unknown sizes, rows that stand twice, and mixed n.
    """
    _check(measured, family)
    cells = with_costs(measured, family)
    inside = at_boundary = pd.Series(False, cells.index)
    for size in cells["size"].unique():
        steps, scales = (others or {}).get(size, grid)
        own = (cells["size"] == size) & (cells["trained"] == 1)
        own &= cells["steps"].isin(steps) & cells["guidance"].isin(scales)
        inside, at_boundary = inside | own, at_boundary | own & at_end(cells["guidance"], scales)
    cells["grid"], cells["at_boundary"] = inside, at_boundary
    cells["place"] = cells["size"].map({size: at for at, size in enumerate(family["size"])})
    order = ["stage", "place", "seed", "sampler", "steps", "guidance", "metric"]
    found = [column for column in ON_GPU if column in cells]
    return cells.sort_values([*order, "trained"])[[*CELLS, *found]]


def with_costs(measured: pd.DataFrame, family: pd.DataFrame) -> pd.DataFrame:
    """The rows with the columns of family.csv, and with what an image costs.

    The sampling cost is normalized cost x steps (Mei et al., arXiv 2404.01367); the guided cost is
    normalized cost x NFE. The total cost counts the arithmetic that is really done for an image, in
    the same unit: each evaluation, but the text's keys and values once, the decoder and the text
    encoder. A model that is told the guidance scale encodes the caption alone; trained students are
    told it, and adopted models where `family` has the column `TOLD`.
    """
    cells = measured.join(family.set_index("size"), on="size", validate="many_to_one")
    steps, nfe = cells["steps"].astype(float), cells["nfe"].astype(float)
    cells["sampling_cost"] = cells["normalized_cost"] * steps
    cells["guided_cost"] = cells["normalized_cost"] * nfe
    told = cells[TOLD] if TOLD in cells else cells["stage"].map(is_student)
    texts = 1 + ((cells["guidance"] != 1) & ~told.astype(bool))  # with guidance the empty one too
    gflops = nfe * (cells["gflops"] - cells["text_gflops"]) + texts * (
        cells["text_gflops"] + cells["caption_gflops"]
    )
    reference = cells["gflops"] / cells["normalized_cost"]
    cells["total_cost"] = (gflops + cells["decoder_gflops"]) / reference
    return cells


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

    The best cell has the best `select_by` among those with status ok. A group without one keeps
    a row for each metric, with its status and without guidance and value.
    Raises InputError for a metric that was not measured.
    """
    if select_by not in set(cells["metric"]):
        known = ", ".join(sorted(cells["metric"].unique()))
        raise InputError(f"--select-by {select_by}: no such metric was measured (known: {known})")
    groups = cells[cells["grid"]].groupby([*MODEL, "steps"], sort=False)
    best = pd.concat([_choose(group, select_by) for _, group in groups], ignore_index=True)
    best.loc[best["status"] != OK, ["value", "lo", "hi"]] = float("nan")
    return best[CELLS]


def _choose(group: pd.DataFrame, select_by: str) -> pd.DataFrame:
    selecting = group[group["metric"] == select_by]
    if selecting.empty:
        name = " ".join(str(group[column].iloc[0]) for column in [*MODEL, "steps"])
        raise InputError(f"{select_by} was not measured for {name} steps")
    chosen = chosen_rows(selecting, ["steps"])
    if chosen.empty:
        rows = group.drop_duplicates("metric").assign(at_boundary=False)
        # Nothing was chosen, so what belongs to one guidance is empty; the sampling cost stays.
        rows[["guidance", "guided_cost", "total_cost", "seconds"]] = float("nan")
        rows = rows.assign(nfe=np.nan, status=selecting["status"].iloc[0])
        return rows.astype({"nfe": "Int64"})
    return group[group["guidance"] == chosen["guidance"].item()]


def with_optimism(
    best: pd.DataFrame, cells: pd.DataFrame, draws: np.ndarray, select_by: str
) -> pd.DataFrame:
    """The best table in columns `BEST`: what a row's value would rise by on other images.

    `draws` [rows, R] has the replicates of the cells by their index. Empty where fewer than two
    scales have a value, so that there was no choice among whole cells.
    """
    setting, found = [*MODEL, "steps"], []
    whole = cells[cells["grid"] & (cells["status"] == OK)]
    for key, group in whole.groupby(setting, sort=False):
        by_metric = {metric: _draws(rows, draws) for metric, rows in group.groupby("metric")}
        selecting = sign(select_by) * by_metric[select_by]
        for metric, own in by_metric.items():
            count = own.shape[1]
            low = optimism(own, selecting[:, :count]) if len(selecting) > 1 else np.nan
            found.append((*key, metric, low))
    names = [*setting, "metric", "optimism"]
    return best.merge(pd.DataFrame(found, columns=names), how="left", on=names[:-1])[BEST]


def _draws(rows: pd.DataFrame, draws: np.ndarray) -> np.ndarray:
    """Values and replicates [rows, 1 + R] of the cells of one metric, which may have fewer."""
    own = draws[rows.index]
    own = own[:, np.isfinite(own).all(axis=0)]
    return np.hstack([rows["value"].to_numpy(float)[:, None], own])


def _grids(words: list[list[str]], family: pd.DataFrame) -> dict[str, Grid]:
    found = {}
    for size, counts, scales in words:
        if size not in set(family["size"]):
            raise InputError(f"--grid-of {size}: size {size} is not in the family table")
        try:
            own = [int(count) for count in counts.split(",")], list(map(float, scales.split(",")))
        except ValueError:
            raise InputError(
                f"--grid-of {size} {counts} {scales}: give whole numbers of steps, and scales,"
                " separated by commas"
            ) from None
        found[size] = own
    return found


@command
def main(
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the cells of one model and sampler, and their draws; repeat for each",
            nargs=6,
            names=("STAGE", "SIZE", "SEED", "SAMPLER", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: FamilyParts,
    select_by: SelectBy,
    steps: Annotated[list[int], "of the grid"],
    guidance: Annotated[list[float], "of the grid"],
    cells_out: Out,
    best_out: Out,
    draws_out: Out,
    grid_of: Annotated[
        list[list[str]] | None,
        Option(
            "another grid, of a size; numbers are separated by commas; repeat for each",
            nargs=3,
            names=("SIZE", "STEPS", "SCALES"),
            repeated=True,
        ),
    ] = None,
    training_sd: TrainingSd = None,
) -> None:
    """Write cells.csv with its draws, and best.csv."""
    others = _grids(grid_of or [], family)
    measured, draws = read_measured(metrics, MODEL, optional=ON_GPU)
    draws = with_deviation(measured, draws, select_by, training_sd)
    cells = cells_table(measured, family, (steps, guidance), others)
    best = with_optimism(best_table(cells, select_by), cells, draws, select_by)
    write_text(best_out, to_csv(best))
    write_cells(cells, draws[cells.index], cells_out, draws_out)
    chosen = best[best["metric"] == select_by]
    print(
        f"{len(cells)} rows; best guidance for {(chosen['status'] == OK).sum()} of {len(chosen)}"
        f" (model, sampler, steps), {chosen['at_boundary'].sum()} at an end of the grid"
    )
