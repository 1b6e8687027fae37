"""U-Nets with text encoders of several sizes: which split of parameters, or of FLOPs, is best?

Writes param_budget.csv: for each pair of a text encoder and a U-Net its parameters, its FLOPs, and
its metrics at its best guidance scale, means over training seeds. Writes draws.safetensors, the
bootstrap replicates of each value. Writes param_budget_splits.csv: each encoder at equal totals,
with the U-Net that the rest of the total pays for, interpolated between trained U-Nets.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.choice import at_end
from ..jobs.cli import InputError
from ..jobs.command import Option, command, csv
from ..jobs.tables import COUNTS, OK, read_measured, records, to_csv, write_cells
from ..jobs.workdir import write_text
from ..kinds.stages import BUDGET
from ..workflow.specs.tables import ParamBudgetSpec
from .arguments import Out
from .components import image_costs
from .curves import best_points
from .splits import BEST, PARAM_BUDGET, splits_table
from .values import Values, with_deviation, with_intervals


def read_pairs(models: list[list[str]], spec: ParamBudgetSpec) -> tuple[pd.DataFrame, np.ndarray]:
    """The cells of all pairs and seeds, and their draws [rows, R].

    `models` are (encoder, size, seed, metrics.csv, draws.safetensors), all with the same scales.
    """
    cells, draws = read_measured(models, ["encoder", "size", "seed"])
    pairs = {"stage": BUDGET + cells["encoder"], "sampler": spec.sampler, "grid": True}
    ends = at_end(cells["guidance"], list(cells["guidance"]))
    cells = cells.assign(**pairs, at_boundary=ends)
    return cells, with_deviation(cells, draws, spec.quality, spec.training_sd)


def pair_values(
    cells: pd.DataFrame, draws: np.ndarray, counts: pd.DataFrame, spec: ParamBudgetSpec
) -> list[Values]:
    """Every pair at its best guidance, a `Values` for each metric, in the columns `PARAM_BUDGET`.

    Raises InputError for different n, and for a pair that was not counted.
    """
    if (different := cells["n"].dropna().nunique()) > 1:
        raise InputError(f"pairs were measured with {different} different n; measure all alike")
    own = counts.set_index(["encoder", "size"])
    if unknown := set(zip(cells["encoder"], cells["size"], strict=True)) - set(own.index):
        raise InputError(f"{' '.join(sorted(unknown)[0])} was not counted; delete the counts")
    everything = Values(cells, np.hstack([cells["value"].to_numpy(float)[:, None], draws]))
    best = best_points(everything.where(cells["metric"] == spec.quality), spec.confidence)
    found = [best]
    if spec.alignment not in (None, spec.quality):
        aligned = everything.where(cells["metric"] == spec.alignment)
        found.append(_at_guidance(aligned.over_seeds(spec.confidence), best, spec.confidence))
    seeds = cells["seed"].nunique()
    return [Values(_with_costs(values.rows, own, spec, seeds), values.draws) for values in found]


def _at_guidance(values: Values, best: Values, confidence: float) -> Values:
    """The cells of another metric at the guidance that was chosen."""
    key = ["stage", "size", "guidance"]
    places = values.rows.reset_index().set_index(key)["index"]
    at = places.loc[list(best.rows[key].itertuples(index=False, name=None))].to_numpy()
    found = Values(values.rows.loc[at].reset_index(drop=True), values.draws[at])
    rows = with_intervals(found, confidence)
    kept = ["at_boundary", "status"]
    rows[kept] = best.rows[kept]
    return Values(rows, found.draws)


def _with_costs(
    rows: pd.DataFrame, counts: pd.DataFrame, spec: ParamBudgetSpec, seeds: int
) -> pd.DataFrame:
    table = rows.join(counts, on=["encoder", "size"]).assign(seeds=seeds)
    costs = image_costs(table, spec.steps, 2 if spec.guided else 1)
    table["image_caption_gflops"] = costs["text_encoder"]
    table["image_unet_gflops"] = costs["unet"]
    table["gflops"] = costs.sum(axis=1, skipna=False)
    parts = table[["text_params", "autoencoder_params", "unet_params"]]
    table["params"] = parts.sum(axis=1, skipna=False)
    failed = table["status"] != OK
    table.loc[failed, ["guidance", "value", "lo", "hi"]] = float("nan")
    return table[PARAM_BUDGET]


@command
def main(
    spec: ParamBudgetSpec,
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the cells of a pair, and their draws; repeat for each",
            nargs=5,
            names=("ENCODER", "SIZE", "SEED", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    counts: Annotated[pd.DataFrame, csv("models/param_budget.csv", COUNTS)],
    table_out: Out,
    draws_out: Out,
    splits_out: Out,
) -> None:
    """Write param_budget.csv with its draws, and param_budget_splits.csv."""
    pairs = pair_values(*read_pairs(metrics, spec), counts, spec)
    table = pd.concat([values.rows for values in pairs], ignore_index=True)
    drawn = np.concatenate([values.draws[:, 1:] for values in pairs])
    write_cells(table, drawn, table_out, draws_out)
    splits = splits_table(pairs, spec.confidence)
    write_text(splits_out, to_csv(splits))
    own = splits[(splits["metric"] == spec.quality) & (splits["standing"] == BEST)]
    for row in records(own):
        print(f"{row.axis} {row.total:.3g}: {row.encoder}, {row.text_share:.0%} text encoder")
