"""Shares of tones of every model, whatever was done against their bias, as a tidy table.

One row for each cell and metric, in the columns `BIAS`, with what an image costs; its bootstrap
replicates beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError
from ..jobs.command import Option, command
from ..jobs.tables import COSTS, MEASURED, MODEL, read_table, records, write_cells
from ..jobs.workdir import file_hash
from ..kinds import stages
from ..kinds.arms import BALANCED_TRAINING, BEST_OF_TWO, CANDIDATES
from .arguments import FamilyParts, Out, SelectBy, TrainingSd
from .collect import with_costs
from .values import Values, read_values, with_deviation

ARM = ["arm", "strength"]
"""columns of what was done against the bias"""
BIAS = [*MODEL, "training_share", "reference", "steps", "guidance", *ARM]
BIAS += ["metric", "value", "lo", "hi", "n", "nfe", *COSTS, "seconds", "status"]
DISCREPANCY, LIGHT_SHARE = TONES = ("fairness_discrepancy", "light_share")
"""metrics of tones"""


def bias_table(
    measured: pd.DataFrame, family: pd.DataFrame, share: float, reference: float
) -> pd.DataFrame:
    """The rows in the columns `BIAS`; `measured` keeps its index.

    `share` is that of light tones in training, `reference` the wanted one, which training with
    balanced tones has. Raises InputError for unknown sizes.
    """
    if unknown := sorted(set(measured["size"]) - set(family["size"])):
        raise InputError(f"size {unknown[0]} is not in the family table")
    table = with_costs(measured, family)
    count = np.where(table["arm"] == BEST_OF_TWO, CANDIDATES, 1)
    table["sampling_cost"] *= count
    texts = 1 + (table["guidance"] != 1)  # whose keys and values each candidate makes anew
    again = (count - 1) * texts * table["text_gflops"]
    table["total_cost"] += again * table["normalized_cost"] / table["gflops"]
    balanced = table["stage"] == stages.BALANCED
    table["training_share"] = np.where(balanced, reference, share)
    table["arm"] = np.where(balanced, BALANCED_TRAINING, table["arm"])
    table["reference"] = reference
    place = {size: at for at, size in enumerate(family["size"])}
    order = ["stage", "place", "seed", "steps", "guidance", *ARM, "metric"]
    return table.assign(place=table["size"].map(place)).sort_values(order)[BIAS]


def read_bias(table: Path, file: Path, metric: str) -> Values:
    """The cells of a metric, with draws, as tables of values have them."""
    values = read_values(table, file, metric, BIAS)
    rows = values.rows.assign(trained=1.0, grid=True, at_boundary=False)
    return Values(rows, values.draws)


def over_seeds(values: Values, confidence: float, seed: int = 0) -> Values:
    """Means over training seeds of cells that differ in what was done against the bias too."""
    return values.over_seeds(confidence, seed, also=ARM)


@command
def main(
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the cells of one model, and their draws; repeat for each",
            nargs=6,
            names=("STAGE", "SIZE", "SEED", "SAMPLER", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: FamilyParts,
    select_by: SelectBy,
    share: Annotated[float, "of light tones in training"],
    reference: Annotated[float, "the wanted share"],
    out: Out,
    draws_out: Out,
    training_sd: TrainingSd = None,
) -> None:
    """Write bias.csv and its draws."""
    tables, draws = [], []
    for *values, path, file in metrics:
        model = dict(zip(MODEL, values, strict=True))
        if not model["seed"].isdecimal():
            raise InputError(f"--metrics: seed {model['seed']} is not a number")
        if fingerprint_of(Path(file)) != file_hash(Path(path)):
            raise InputError(f"{file} does not belong to {path}; delete both and run again")
        own = read_table(Path(path), [*MEASURED, *ARM])
        tables.append(own.assign(**model | {"seed": int(model["seed"])}))
        draws.append(np.asarray(map_array(Path(file), "draws")))
    measured, drawn = pd.concat(tables, ignore_index=True), np.concatenate(draws)
    drawn = with_deviation(measured, drawn, select_by, training_sd)
    table = bias_table(measured, family, share, reference)
    write_cells(table, drawn[table.index], out, draws_out)
    for row in records(table[(table["metric"] == DISCREPANCY)]):
        strength = "" if np.isnan(row.strength) else f" {row.strength:g}"
        print(
            f"{row.size} {row.steps} steps, guidance {row.guidance:g}, {row.arm}{strength}:"
            f" {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]"
        )
