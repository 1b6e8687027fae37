"""Students whose initial noise was made for a score, with what they cost and the draws beside it.

One row for each size, noise and metric, in the columns `INVERSION`. The total cost has all passes
of the student, the decoder and the verifier, forward and backward; weights are frozen, so that a
backward pass computes the gradient of activations alone and costs a forward pass. `fit_cost` is
what a distribution costs once.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from ..jobs.cli import InputError
from ..jobs.command import Option, command, csv
from ..jobs.tables import MEASURED, VERIFIER, read_measured, write_cells
from ..kinds import stages
from ..kinds.noises import CAPTION, FITTED, iterations
from ..workflow.specs.inversion import InversionCosts
from .arguments import FamilyParts, Out, SelectBy, TrainingSd
from .inverted import INVERSION
from .values import with_deviation


def inversion_table(
    measured: pd.DataFrame, family: pd.DataFrame, costs: InversionCosts, verifier: pd.DataFrame
) -> pd.DataFrame:
    """The rows in the columns `INVERSION`; `measured` keeps its index.

    `verifier` is the row of verifier.csv. Raises InputError for an unknown size.
    """
    if unknown := sorted(set(measured["size"]) - set(family["size"])):
        raise InputError(f"size {unknown[0]} is not in the family table")
    cells = measured.join(family.set_index("size"), on="size", validate="many_to_one")
    reference = cells["gflops"] / cells["normalized_cost"]
    back = cells["noise"].map(iterations)
    score, caption = map(float, verifier[VERIFIER[1:]].iloc[0])
    seen = cells["decoder_gflops"] + (back > 0) * score
    forward = cells["gflops"] + seen
    # what the text becomes in the student does not depend on the noise: nothing goes back there
    backward = cells["gflops"] - cells["text_gflops"] + seen
    network = (cells["noise"] == CAPTION) * costs.network_gflops
    texts = cells["caption_gflops"] + (back > 0) * caption + network
    total = (1 + back) * forward + back * backward + texts
    once = 2 * (cells["gflops"] + cells["decoder_gflops"] + score) - cells["text_gflops"]
    fitted = cells["noise"].isin(list(FITTED)) * costs.images * once
    found = cells.assign(
        stage=stages.INVERSION,
        # students are told the guidance scale, so that every pass is one of sampling
        sampling_cost=cells["normalized_cost"] * cells["nfe"],
        guided_cost=cells["normalized_cost"] * cells["nfe"],
        total_cost=total / reference,
        fit_cost=fitted / reference,
    )
    place = {size: at for at, size in enumerate(family["size"])}
    order = ["place", "seed", "total_cost", "noise", "metric"]
    return found.assign(place=found["size"].map(place)).sort_values(order)[INVERSION]


@command
def main(
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the cells of a student, and their draws; repeat for each",
            nargs=5,
            names=("SIZE", "SEED", "SAMPLER", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: FamilyParts,
    spec: InversionCosts,
    verifier: Annotated[pd.DataFrame, csv("verifier.csv", VERIFIER)],
    select_by: SelectBy,
    out: Out,
    draws_out: Out,
    training_sd: TrainingSd = None,
) -> None:
    """Write inversion.csv and its draws."""
    measured, draws = read_measured(metrics, ["size", "seed", "sampler"], [*MEASURED, "noise"])
    # the noise is another, the student and its luck are the same
    draws = with_deviation(measured.assign(stage=stages.DISTILL), draws, select_by, training_sd)
    table = inversion_table(measured, family, spec, verifier)
    write_cells(table, draws[table.index], out, draws_out)
    print(f"{len(table)} rows of {table['noise'].nunique()} noises")
