"""What adaptive guidance searches save, and miss, on cells of the whole grid.

Each search is replayed on the features of cells that are sampled whole: a look at m images takes
the first m of them, as an adaptive sweep does. Writes one row for each (stage, size, seed, sampler,
steps).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd

from ..cells.adaptive import Metric, estimate, load_metric
from ..cells.search import DIVERGED, Estimate, search
from ..jobs.arrays import map_array
from ..jobs.choice import chosen_rows
from ..jobs.cli import InputError, Progress
from ..jobs.command import Option, command
from ..jobs.tables import MEASURED, MODEL, OK, draws_of, read_table, to_csv
from ..jobs.workdir import write_text
from ..kinds.cells import cell_name
from ..kinds.metrics import METRICS
from ..kinds.stages import is_pretrained
from ..study.sampling import at_most
from ..workflow.specs.tables import SearchCostSpec
from .arguments import Out
from .searches import SEARCH_COST, summary
from .values import interval


class Cells(NamedTuple):
    """The cells of the grid at one step count."""

    rows: pd.DataFrame
    """of the metric, in MEASURED, ascending in guidance"""
    draws: np.ndarray
    """[rows, R]"""
    features: Path


def replay(cells: Cells, metric: Metric, spec: SearchCostSpec) -> dict:
    """The columns n, FOUND and REGRET of one search."""
    rows, selecting = cells.rows.set_index("guidance"), METRICS[spec.select_by]
    suffix = "" if selecting.compares else f"/{selecting.name}"
    values, steps, n = rows["value"], int(rows["steps"].iloc[0]), spec.n

    def evaluate(scale: float, images: int) -> Estimate:
        if images < n:
            kept = map_array(cells.features, f"{cell_name(steps, scale)}{suffix}")
            return estimate(metric, kept, images, n)
        sound = rows["status"][scale] == OK
        return Estimate(selecting.sign * float(values[scale])) if sound else DIVERGED

    found = search(list(rows.index), evaluate, n, spec.look)
    cost = {"n": n, "images": found.images, "grid_images": n * len(rows)}
    chosen = chosen_rows(cells.rows, ["steps"])
    if chosen.empty:
        return cost | {"success": False, "status": "failed"}
    best = chosen["guidance"].item()
    drawn = np.column_stack([values, cells.draws])  # of a failed cell nan
    own, grid = (drawn[rows.index.get_loc(scale)] for scale in (found.chosen, best))
    paired = own - grid if selecting.sign > 0 else grid - own
    regret, lo, hi = interval(paired, spec.confidence)
    result = {"value": own[0], "grid_value": grid[0], "regret": regret, "regret_lo": lo}
    result |= {"regret_hi": hi, "success": lo <= 0, "status": OK}
    return cost | {"guidance": found.chosen, "grid_guidance": best} | result


def read_cells(
    metrics: Path, draws: Path, features: Path, grid: tuple[list[int], list[float]], metric: str
) -> list[Cells]:
    """The cells of the grid of one model and sampler, for each step count.

    Raises InputError if one is missing.
    """
    measured = read_table(metrics, MEASURED)
    own = measured[(measured["metric"] == metric) & (measured["trained"] == 1)]
    found = []
    for steps in grid[0]:
        rows = own[(own["steps"] == steps) & own["guidance"].isin(grid[1])]
        rows = rows.sort_values("guidance").reset_index(drop=True)
        if rows["guidance"].tolist() != grid[1]:
            raise InputError(f"{metrics}: {steps} steps lack a guidance of the grid or {metric}")
        found.append(Cells(rows, draws_of(rows, draws), features))
    return found


@command
def main(
    spec: SearchCostSpec,
    cells: Annotated[
        list[list[str]],
        Option(
            "cells of one model and sampler; repeat for each",
            nargs=7,
            names=("STAGE", "SIZE", "SEED", "SAMPLER", "FEATURES", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    out: Out,
    reference: Annotated[Path | None, "features of real images, unless a score selects"] = None,
) -> None:
    """Write search_cost.csv."""
    metric, _ = load_metric(reference, spec.select_by, spec.components)
    rows, progress = [], Progress("models and samplers", len(cells))
    for number, (*model, features, metrics, draws) in enumerate(cells, start=1):
        files = (Path(metrics), Path(draws), Path(features))
        if model[0] not in spec.grids:
            raise InputError(f"--cells: the spec has no grid of stage {model[0]}")
        steps, scales = spec.grids[model[0]]
        if is_pretrained(model[0]):
            steps = at_most(steps, spec.most_steps, model[1], model[3])
        for own in read_cells(*files, (steps, scales), spec.metric):
            setting = {"steps": own.rows["steps"].iloc[0], "metric": spec.metric}
            identity = dict(zip(MODEL, model, strict=True)) | setting
            rows.append(identity | replay(own, metric, spec))
        progress.update(number)
    table = pd.DataFrame(rows).reindex(columns=SEARCH_COST)
    write_text(out, to_csv(table))
    print(summary(table))
