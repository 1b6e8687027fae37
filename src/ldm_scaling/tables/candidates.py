"""Candidates as a tidy table, with what they cost and the draws beside it.

One row for each cell and metric, in the columns `CANDIDATES`: those of cells, and how the image was
kept. Costs are those of all candidates of an image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.command import Option, command, csv
from ..jobs.tables import (
    CELLS,
    CHOSEN,
    MEASURED,
    MODEL,
    VERIFIER,
    read_measured,
    read_whole,
    write_cells,
)
from ..kinds.candidates import METHODS
from ..kinds.stages import is_student
from ..study.metrics import JUDGE
from .arguments import FamilyParts, Out, SelectBy, TrainingSd
from .values import Values, read_values, with_deviation

CANDIDATES = [*CELLS, *CHOSEN]
_MODEL_AND_STEPS = ["stage", "size", "sampler", "steps"]


def candidates_table(
    measured: pd.DataFrame, family: pd.DataFrame, verifier: pd.DataFrame
) -> pd.DataFrame:
    """The rows in the columns `CANDIDATES`; `measured` keeps its index.

    The sampling cost is normalized cost x steps x candidates, the guided cost normalized cost x
    NFE. The total cost is all arithmetic of the image that is kept, in the same unit: of each
    candidate its evaluations, and the text's keys and values once; each image that is decoded and
    scored; the text encoder once. What nothing chooses is not scored.
    """
    rows = measured.join(family.set_index("size"), on="size", validate="many_to_one")
    own = verifier.iloc[0]
    count, nfe = rows["candidates"].astype(float), rows["nfe"].astype(float)
    looks = rows["verified"].astype(float)
    texts = 1 + ((rows["guidance"] != 1) & ~rows["stage"].map(is_student))
    gflops = nfe * (rows["gflops"] - rows["text_gflops"])
    gflops += count * texts * rows["text_gflops"] + texts * rows["caption_gflops"]
    gflops += np.maximum(looks, count) * rows["decoder_gflops"]
    gflops += looks * own["image_gflops"] + (looks > 0) * own["caption_gflops"]
    rows["sampling_cost"] = rows["normalized_cost"] * rows["steps"] * count
    rows["guided_cost"] = rows["normalized_cost"] * nfe
    rows["total_cost"] = gflops / (rows["gflops"] / rows["normalized_cost"])
    rows = rows.assign(
        grid=True,
        at_boundary=False,
        place=rows["size"].map({size: at for at, size in enumerate(family["size"])}),
        listed=rows["method"].map({name: at for at, name in enumerate(METHODS)}),
    )
    order = ["stage", "place", "seed", "sampler", "steps", "listed", "candidates", "metric"]
    return rows.sort_values(order, ascending=[False, *[True] * 7])[CANDIDATES]


def read_candidates(table: Path, file: Path, metric: str) -> Values:
    """The cells of a metric, with draws.

    Models of several training seeds may have found different scales; the mean stands for them, so
    that they are one cell.
    """
    values = read_values(table, file, metric, CANDIDATES)
    scale = values.rows.groupby(_MODEL_AND_STEPS)["guidance"].transform("mean")
    return Values(values.rows.assign(guidance=scale), values.draws)


def read_every(table: Path, file: Path) -> dict[str, Values]:
    """The cells of each metric, with draws."""
    names = read_whole(table, CANDIDATES)["metric"].unique()
    return {name: read_candidates(table, file, name) for name in names}


def gains(values: Values) -> Values:
    """What is gained over one candidate, in standard deviations between candidates of an image.

    Of rows of a score, means over training seeds. A score that follows the one that keeps images
    gains as much as that does. Other methods are compared with the one candidate of best of N.
    """
    rows = values.rows
    keys = list(zip(*(rows[name] for name in _MODEL_AND_STEPS), strict=True))
    several = rows["candidates"].to_numpy() > 1
    alone = {keys[at]: at for at in np.flatnonzero(~several)}
    first = [alone[keys[at]] for at in np.flatnonzero(several)]
    own = values.where(several)
    difference = own.draws - values.draws[first]
    return Values(own.rows, difference / own.rows["spread"].to_numpy(float)[:, None])


def over_seeds(values: Values, confidence: float) -> Values:
    """Means over training seeds; methods and counts tell cells apart."""
    return values.over_seeds(confidence, also=["method", "candidates"])


@command
def main(
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the candidates of one model, and their draws; repeat for each",
            nargs=6,
            names=("STAGE", "SIZE", "SEED", "SAMPLER", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: FamilyParts,
    verifier: Annotated[pd.DataFrame, csv("verifier.csv", VERIFIER)],
    select_by: SelectBy,
    out: Out,
    draws_out: Out,
    training_sd: TrainingSd = None,
) -> None:
    """Write candidates.csv and its draws."""
    measured, draws = read_measured(metrics, MODEL, MEASURED, CHOSEN)
    draws = with_deviation(measured, draws, select_by, training_sd)
    table = candidates_table(measured, family, verifier)
    write_cells(table, draws[table.index], out, draws_out)
    judged = (table["metric"] == JUDGE).sum()
    print(f"{judged} cells of {table['size'].nunique()} sizes, {len(table)} rows")
