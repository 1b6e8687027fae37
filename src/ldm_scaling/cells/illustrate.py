"""Sample the few images of one model that figures show and no cell has.

They are images of a few prompts with the steps that each sampling budget buys, and images between
two prompts, whose embeddings are interpolated linearly. Image i starts from the noise that row i
has in every cell, images between prompts from that of the first. Writes one file with arrays
`budgets` [B], ascending, `steps` [B] (0: not one is affordable) and `guidance` [B] (nan: nothing
is chosen), `budget{budget}` (uint8 [prompts, 3, S, S]), `alphas` [A] (the share of the first
prompt) and `interpolation` (uint8 [A, 3, S, S]). An array of images that failed is empty, and the
header has their status as a note of its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..jobs.arrays import write_arrays
from ..jobs.choice import chosen_rows, nearest_guidance, steps_bought
from ..jobs.cli import InputError, parser, run
from ..jobs.tables import FAMILY, MEASURED, read_table
from ..jobs.workdir import fingerprint
from ..kinds.cells import DIVERGED, OUT_OF_MEMORY
from ..workflow.specs.cells import IllustrateSpec
from .sample import Illustrator, add_sampler, load_sampler

MOST_STEPS = 1000
"""of an adopted model, whose process may have any number of levels"""
ALPHAS = (1.0, 0.8, 0.5, 0.2, 0.0)
"""of Mei et al., arXiv 2404.01367, appendix E"""
_NOTHING = np.empty((0, 3, 1, 1), dtype=np.uint8)


def searched(spec: IllustrateSpec, metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows of the guidance search among the metrics of the model's cells.

    Raises InputError if the table lacks the metric.
    """
    rows = metrics[metrics["metric"] == spec.select_by]
    if rows.empty:
        raise InputError(f"metric {spec.select_by} is not in the table of metrics")
    grid = rows["steps"].isin(spec.steps) & rows["guidance"].isin(spec.guidance)
    return rows[grid & (rows["trained"] == 1)]


def settings_bought(
    spec: IllustrateSpec, rows: pd.DataFrame, family: pd.DataFrame
) -> list[tuple[int, float]]:
    """Steps and guidance at each of the budgets, as they stand in the file.

    `rows` are those of the guidance search. Raises InputError if the family lacks the size.
    """
    costs = family.loc[family["size"] == spec.size, "normalized_cost"]
    if costs.empty:
        raise InputError(f"size {spec.size} is not in the family table")
    best = chosen_rows(rows, ["steps"])
    most = spec.diffusion.train_timesteps if spec.diffusion else MOST_STEPS
    steps = [steps_bought(budget, costs.item(), most) for budget in spec.budgets]
    return [(count, nearest_guidance(best, count) if count else math.nan) for count in steps]


def at_equal_cost(
    sampler: Illustrator,
    spec: IllustrateSpec,
    bought: list[tuple[int, float]],
    unchosen: str,
) -> dict[str, np.ndarray | str]:
    """Images of the prompts at each budget, or their status, by the name of their array.

    `unchosen` is the status where no guidance is chosen; no steps are an empty array.
    """
    sampled: dict[int, np.ndarray | str] = {0: _NOTHING}
    for steps, guidance in set(bought):
        if not math.isnan(guidance):
            setting = spec.setting.model_copy(update={"steps": steps, "guidance": guidance})
            make = partial(sampler.images_at, trajectory=setting, seed=spec.seed)
            sampled[steps] = images_or_status(make, spec.prompts)
    return {
        f"budget{budget:g}": sampled.get(steps, unchosen)
        for budget, (steps, _) in zip(spec.budgets, bought, strict=True)
    }


def between_prompts(sampler: Illustrator, spec: IllustrateSpec) -> np.ndarray | str:
    """Images [len(ALPHAS), 3, S, S] of alpha times the first prompt plus the rest the second.

    Or their status.
    """
    between = partial(sampler.between, spec.prompts[:2], trajectory=spec.setting, seed=spec.seed)
    return images_or_status(lambda shares: between(shares=shares), ALPHAS)


Make = Callable[[Sequence[Any]], tuple[np.ndarray, bool]]
"""makes an image of each of some things, and says whether all are finite"""


def images_or_status(make: Make, things: Sequence[Any]) -> np.ndarray | str:
    """Images of things, or the status of what failed."""
    try:
        images, finite = _in_parts(make, things)
    except torch.OutOfMemoryError:
        return OUT_OF_MEMORY
    return images if finite else DIVERGED


def _in_parts(make: Make, things: Sequence[Any]) -> tuple[np.ndarray, bool]:
    # fewer at a time where memory does not suffice, as a sweep does
    try:
        return make(things)
    except torch.OutOfMemoryError:
        if len(things) == 1:
            raise
    half = len(things) // 2
    first, rest = _in_parts(make, things[:half]), _in_parts(make, things[half:])
    return np.concatenate([first[0], rest[0]]), first[1] and rest[1]


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, IllustrateSpec)
    add_sampler(arguments, required=False)  # of a trained model
    arguments.add_argument("--metrics", required=True, type=Path, help="metrics.csv of its cells")
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    arguments.add_argument("--out", required=True, type=Path, help="file to write")
    options = arguments.parse_args()
    spec: IllustrateSpec = options.spec
    metrics, family = read_table(options.metrics, MEASURED), read_table(options.family, FAMILY)
    rows = searched(spec, metrics)
    bought = settings_bought(spec, rows, family)
    count = max(spec.prompts) + 1
    if spec.diffusion:
        sampler, decides = load_sampler(options, spec.diffusion, count)
    else:
        from .adopted import load_pipeline  # seconds of import that trained models need not pay

        sampler, decides = load_pipeline(spec, options.text, count)
    steps, guidance = (np.array(column) for column in zip(*bought, strict=True))
    images = at_equal_cost(sampler, spec, bought, ", ".join(rows["status"].unique()))
    images["interpolation"] = between_prompts(sampler, spec)
    failed = {name: own for name, own in images.items() if isinstance(own, str)}
    arrays = {
        "budgets": np.array(spec.budgets),
        "steps": steps,
        "guidance": guidance,
        "alphas": np.array(ALPHAS),
        **{name: _NOTHING if isinstance(own, str) else own for name, own in images.items()},
    }
    write_arrays(options.out, arrays, fingerprint(spec, bought, *decides), **failed)


if __name__ == "__main__":
    run(main)
