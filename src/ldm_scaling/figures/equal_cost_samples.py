"""What each sampling budget buys of every size: images of the same prompts and noise.

After Mei et al., arXiv 2404.01367, figures 10 and 21 to 23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.cli import parser, run
from ..jobs.tables import FAMILY, read_table
from . import samples

NOTHING = "\N{EN DASH}"
"""stands where a budget does not pay for one step"""


@dataclass(frozen=True)
class Purchase:
    """What a budget buys of one size."""

    steps: int
    """0: not one is affordable"""
    images: np.ndarray | str
    """of all prompts, or a word instead"""


def draw(
    bought: Mapping[str, Mapping[float, Purchase]],
    captions: list[str],
    family: pd.DataFrame,
    sampler: str,
) -> Figure:
    """The figure, of what is bought by size and budget."""
    budgets = sorted(next(iter(bought.values())))
    columns = list(bought.values())
    block = samples.Block(
        tiles=[[column[budget].images for column in columns] for budget in budgets],
        heads=samples.size_heads(list(bought), family),
        labels=[f"cost {budget:g}" for budget in budgets],
        under=[[_steps(column[budget].steps) for column in columns] for budget in budgets],
    )
    named = "; ".join(f"({n}) {caption}" for n, caption in enumerate(captions, start=1))
    note = (
        f"{sampler}. Rows: sampling cost, normalized cost \N{MULTIPLICATION SIGN} steps; {NOTHING}"
        " where it does not pay for a step. Guidance: as chosen at the nearest step count."
        f" Prompts, line by line: {named}."
    )
    return samples.draw([block], note)


def _steps(count: int) -> str:
    return "" if count == 0 else "1 step" if count == 1 else f"{count} steps"


def read_purchases(path: Path, prompts: int) -> dict[float, Purchase]:
    """What every budget buys, of a file that rule illustrate has written."""
    result = {}
    for budget, steps in zip(map_array(path, "budgets"), map_array(path, "steps"), strict=True):
        images = samples.read_images(path, f"budget{budget:g}", range(prompts))
        shown = samples.mosaic(images) if steps else NOTHING
        result[float(budget)] = Purchase(int(steps), shown)
    return result


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    arguments.add_argument("--family", required=True, type=Path, help="family.csv")
    arguments.add_argument("--sampler", required=True, help="sampler of the images")
    options = arguments.parse_args()
    bought = {
        size: read_purchases(path, len(options.prompts))
        for size, path in samples.files_by_size(options.images).items()
    }
    captions = samples.read_captions(options.captions, options.prompts)
    family = read_table(options.family, FAMILY)
    samples.save(draw(bought, captions, family, options.sampler), options)


if __name__ == "__main__":
    run(main)
