"""What each sampling budget buys of every size: images of the same prompts and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.figure import Figure

from ..jobs.arrays import map_array
from ..jobs.command import Read
from ..tables.arguments import Family, Sampler
from . import samples
from .samples import Captions, FilesBySize, Prompts

NOTHING = "\N{EN DASH}"
"""stands where a budget does not pay for one step"""


@dataclass(frozen=True)
class Purchase:
    """What a budget buys of one size."""

    steps: int
    """0: not one is affordable"""
    images: np.ndarray | str
    """of all prompts, or a word instead"""


def read_purchases(path: Path, prompts: int) -> dict[float, Purchase]:
    """What every budget buys, of a file that rule illustrate has written."""
    result = {}
    for budget, steps in zip(map_array(path, "budgets"), map_array(path, "steps"), strict=True):
        images = samples.read_images(path, f"budget{budget:g}", range(prompts))
        shown = samples.mosaic(images) if steps else NOTHING
        result[float(budget)] = Purchase(int(steps), shown)
    return result


def read_bought(images: FilesBySize, prompts: Prompts) -> dict[str, dict[float, Purchase]]:
    """What every budget buys, for each size."""
    return {size: read_purchases(path, len(prompts)) for size, path in images.items()}


def draw(
    bought: Annotated[Mapping[str, Mapping[float, Purchase]], Read(read_bought)],
    captions: Captions,
    family: Family,
    sampler: Sampler,
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
    return samples.draw_blocks([block], note)


def _steps(count: int) -> str:
    return "" if count == 0 else "1 step" if count == 1 else f"{count} steps"
