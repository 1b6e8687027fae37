"""The same noise at every guidance scale: a block for each size, a row for each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.command import Read, csv
from ..jobs.tables import CELLS
from ..kinds.cells import cell_name
from ..kinds.stages import PRETRAIN
from ..tables.arguments import Sampler, Steps
from ..tables.budgets import of_model, of_sampler
from . import samples, style
from .samples import Captions, FilesBySize, Prompts

Scales = Annotated[list[float], "guidance scales"]


def read_scales(
    images: FilesBySize, prompts: Prompts, steps: Steps, guidance: Scales
) -> dict[str, dict[float, list[np.ndarray | str]]]:
    """The images of the prompts, by size and scale."""
    return {
        size: {
            scale: samples.read_images(path, cell_name(steps, scale), prompts)
            for scale in sorted(guidance)
        }
        for size, path in images.items()
    }


def read_best(
    best: Annotated[pd.DataFrame, csv("best.csv", CELLS)], sampler: Sampler, steps: Steps
) -> pd.DataFrame:
    """The best guidances of a sampler at a step count."""
    rows = of_sampler(best, sampler)
    return rows[rows["steps"] == steps]


def draw(
    images: Annotated[Mapping[str, Mapping[float, Sequence[np.ndarray | str]]], Read(read_scales)],
    captions: Captions,
    best: Annotated[pd.DataFrame, Read(read_best)],
    seed: Annotated[int, "training seed of the models"],
    setting: Annotated[str, Read(samples.steps_label)],
) -> Figure:
    """The figure, of images of the captions by size and guidance scale.

    `best` has the rows of best.csv at one sampler and step count, which `setting` names.
    """
    blocks = []
    for size, by_guidance in images.items():
        model = of_model(best, PRETRAIN, size, seed).iloc[0]
        scales = list(by_guidance)
        blocks.append(
            samples.Block(
                tiles=[list(row) for row in zip(*by_guidance.values(), strict=True)],
                heads=[f"{scale:g}" for scale in scales],
                labels=captions,
                title=style.size_label(size, model["params"]),
                framed=scales.index(model["guidance"]) if model["guidance"] in scales else None,
                dashed=bool(model["at_boundary"]),
            )
        )
    note = f"{setting}. Columns: guidance scales, from the same noise."
    if any(block.framed is not None for block in blocks):
        note += " Framed: the best scale of the grid"
        at_end = any(block.dashed for block in blocks)
        note += ", dashed at its end." if at_end else "."
    return samples.draw_blocks(blocks, note)
