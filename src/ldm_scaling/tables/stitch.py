"""Stitched trajectories as a tidy table, with what they cost and the draws beside it.

One row for each cell and metric, in the columns `STITCH`. Costs are sums over the sizes, each with
its own steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.choice import at_end, chosen_rows
from ..jobs.cli import InputError
from ..jobs.command import Option, command
from ..jobs.tables import MEASURED, read_measured, records, write_cells
from ..kinds import stages
from ..kinds.sizes import SEPARATOR, channels
from .arguments import FamilyParts, Out, SelectBy, TrainingSd
from .curves import curve_of, sizes_of
from .values import Values, read_values, with_deviation

TRAJECTORY = ["sizes", "seed", "sampler", "steps", "allocation"]
STITCH = ["stage", "sizes", "allocation", "share", "seed", "sampler", "steps", "guidance", "metric"]
STITCH += ["value", "lo", "hi", "n", "sampling_cost", "guided_cost", "total_cost", "seconds"]
STITCH += ["best", "status", "at_boundary"]
_SAME = 1 + 1e-9
"""costs closer than this are one"""


def stitch_table(
    measured: pd.DataFrame, family: pd.DataFrame, select_by: str, scales: list[float]
) -> pd.DataFrame:
    """The rows in the columns `STITCH`; `measured` keeps its index. Guidance is one of `scales`.

    Raises InputError for unknown sizes, and for a selecting metric that was not measured.
    """
    if select_by not in set(measured["metric"]):
        raise InputError(f"--select-by {select_by}: no such metric was measured")
    costs = family.set_index("size")
    known = set(costs.index)
    rows = []
    for row in records(measured):
        sizes = row.sizes.split(SEPARATOR)
        if unknown := [size for size in sizes if size not in known]:
            raise InputError(f"size {unknown[0]} is not in the family table")
        steps = np.array(row.allocation.split(SEPARATOR), dtype=int)
        rows.append((steps[0] / row.steps, *_costs(costs.loc[sizes], steps, row.nfe / row.steps)))
    names = ["share", "sampling_cost", "guided_cost", "total_cost"]
    found = pd.DataFrame(rows, columns=names, index=measured.index)
    table = measured.join(found).assign(stage=stages.STITCH)
    chosen = chosen_rows(table[table["metric"] == select_by], TRAJECTORY)
    best = pd.MultiIndex.from_frame(chosen[[*TRAJECTORY, "guidance"]])
    table["best"] = pd.MultiIndex.from_frame(table[[*TRAJECTORY, "guidance"]]).isin(best)
    table["at_boundary"] = at_end(table["guidance"], scales)
    order = ["steps", "share", "allocation", "guidance", "metric"]
    listed = table["sizes"].map({name: i for i, name in enumerate(measured["sizes"].unique())})
    return table.assign(listed=listed).sort_values(["listed", "seed", *order])[STITCH]


def _costs(family: pd.DataFrame, steps: np.ndarray, forwards: float) -> tuple[float, float, float]:
    """Sampling, guided and total cost of sizes with steps [k], so many forward passes each."""
    sampling = float((family["normalized_cost"] * steps).sum())
    # as `cells_table` counts: each size turns each text into keys and values once
    image = forwards * (steps * (family["gflops"] - family["text_gflops"])).sum()
    texts = forwards * (family["text_gflops"].sum() + family["caption_gflops"].iloc[0])
    reference = (family["gflops"] / family["normalized_cost"]).iloc[0]
    total = (image + texts + family["decoder_gflops"].iloc[0]) / reference
    return sampling, forwards * sampling, float(total)


def read_stitched(table: Path, file: Path, metric: str) -> Values:
    """The cells of a metric, with draws, as tables of values have them: one `size` a trajectory.

    A row also says whether its sizes are `rising`: small ones first, as T-Stitch has them.
    """
    values = read_values(table, file, metric, STITCH)
    rows = values.rows.assign(trained=1.0, grid=True)
    rows["size"] = rows["sizes"] + " " + rows["allocation"]
    return Values(rows.assign(rising=[is_rising(sizes) for sizes in rows["sizes"]]), values.draws)


def is_rising(sizes: str) -> bool:
    """Whether each of the sizes is larger than the one before."""
    widths = [channels(size) for size in sizes.split(SEPARATOR)]
    return widths == sorted(widths)


def rivals(points: Values, axis: str, budget: float) -> np.ndarray:
    """Draws [k, 1 + R] of what single sizes give within a budget; k = 0 if none is so cheap.

    Each size gives its curve at the budget, or its end below it, and every measured point that is
    cheaper. The curve counts, so that a stitched trajectory does not win by falling between step
    counts. `points` are those of `best_points`.
    """
    found = [np.empty((0, points.draws.shape[1]))]
    for size in sizes_of(points):
        curve = curve_of(points, size, axis)
        if len(curve.costs) and curve.start <= budget * _SAME:
            found.append(curve.up_to(budget))
    return np.concatenate(found)


@command
def main(
    metrics: Annotated[
        list[list[str]],
        Option(
            "metrics of the cells of sizes such as c20-c48, and their draws; repeat for each",
            nargs=5,
            names=("SIZES", "SEED", "SAMPLER", "METRICS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: FamilyParts,
    select_by: SelectBy,
    guidance: Annotated[list[float], "of the grid"],
    out: Out,
    draws_out: Out,
    training_sd: TrainingSd = None,
) -> None:
    """Write stitch.csv and its draws."""
    names = ["sizes", "seed", "sampler"]
    measured, draws = read_measured(metrics, names, [*MEASURED, "allocation"])
    draws = with_deviation(measured.assign(stage=stages.STITCH), draws, select_by, training_sd)
    table = stitch_table(measured, family, select_by, guidance)
    write_cells(table, draws[table.index], out, draws_out)
    print(f"{len(table)} rows of {table['sizes'].nunique()} sequences of sizes")
