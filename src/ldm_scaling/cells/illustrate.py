"""Sample the few images of one model that figures show and no cell has.

They are images of a few prompts with the steps that each sampling budget buys, and images between
two prompts, whose embeddings are interpolated linearly. Image i starts from the noise that row i
has in every cell, images between prompts from that of the first. Writes one file with arrays
`budgets` [B], ascending, `steps` [B] (0: not one is affordable) and `guidance` [B] (nan: nothing
is chosen), `budget{budget}` (uint8 [prompts, 3, S, S]), `alphas` [A] (the share of the first
prompt) and `interpolation` (uint8 [A, 3, S, S]). An array of images that are not finite is empty.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from ..jobs.arrays import write_arrays
from ..jobs.choice import chosen_rows, nearest_guidance, steps_bought
from ..jobs.cli import InputError, parser, run
from ..jobs.tables import FAMILY, MEASURED, read_table
from ..jobs.workdir import fingerprint
from ..workflow.specs.cells import IllustrateSpec
from .sample import Illustrator, add_sampler, load_sampler

MOST_STEPS = 1000
"""of an adopted model, whose process may have any number of levels"""
ALPHAS = (1.0, 0.8, 0.5, 0.2, 0.0)
"""of Mei et al., arXiv 2404.01367, appendix E"""


def settings_bought(
    spec: IllustrateSpec, metrics: pd.DataFrame, family: pd.DataFrame
) -> list[tuple[int, float]]:
    """Steps and guidance at each of the budgets, as they stand in the file.

    `metrics` are those of the model's cells. Raises InputError if a table lacks the size or metric.
    """
    costs = family.loc[family["size"] == spec.size, "normalized_cost"]
    if costs.empty:
        raise InputError(f"size {spec.size} is not in the family table")
    rows = metrics[metrics["metric"] == spec.select_by]
    if rows.empty:
        raise InputError(f"metric {spec.select_by} is not in the table of metrics")
    searched = rows["steps"].isin(spec.steps) & rows["guidance"].isin(spec.guidance)
    best = chosen_rows(rows[searched & (rows["trained"] == 1)], ["steps"])
    most = spec.diffusion.train_timesteps if spec.diffusion else MOST_STEPS
    steps = [steps_bought(budget, costs.item(), most) for budget in spec.budgets]
    return [(count, nearest_guidance(best, count) if count else math.nan) for count in steps]


def at_equal_cost(
    sampler: Illustrator,
    spec: IllustrateSpec,
    bought: list[tuple[int, float]],
) -> dict[str, np.ndarray]:
    """Images of the prompts at each budget, by the name of their array."""
    nothing = np.empty((0, 3, 1, 1), dtype=np.uint8)
    sampled = {}
    for steps, guidance in set(bought):
        if not math.isnan(guidance):
            setting = spec.setting.model_copy(update={"steps": steps, "guidance": guidance})
            sampled[steps] = _finite(*sampler.images_at(spec.prompts, setting, spec.seed))
    return {
        f"budget{budget:g}": sampled.get(steps, nothing)
        for budget, (steps, _) in zip(spec.budgets, bought, strict=True)
    }


def between_prompts(sampler: Illustrator, spec: IllustrateSpec) -> np.ndarray:
    """Images [len(ALPHAS), 3, S, S] of alpha times the first prompt plus the rest the second."""
    return _finite(*sampler.between(spec.prompts[:2], ALPHAS, spec.setting, spec.seed))


def _finite(images: np.ndarray, finite: bool) -> np.ndarray:
    return images if finite else images[:0]


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
    bought = settings_bought(spec, metrics, family)
    count = max(spec.prompts) + 1
    if spec.diffusion:
        sampler, decides = load_sampler(options, spec.diffusion, count)
    else:
        from .adopted import load_pipeline  # seconds of import that trained models need not pay

        sampler, decides = load_pipeline(spec, options.text, count)
    steps, guidance = (np.array(column) for column in zip(*bought, strict=True))
    arrays = {
        "budgets": np.array(spec.budgets),
        "steps": steps,
        "guidance": guidance,
        **at_equal_cost(sampler, spec, bought),
        "alphas": np.array(ALPHAS),
        "interpolation": between_prompts(sampler, spec),
    }
    write_arrays(options.out, arrays, fingerprint(spec, bought, *decides))


if __name__ == "__main__":
    run(main)
