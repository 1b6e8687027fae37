"""The same noise at every guidance scale: a block for each size, a row for each prompt.

After Mei et al., arXiv 2404.01367, figure 7. The best scale of the grid is framed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.cli import parser, run
from ..jobs.tables import CELLS, read_table
from ..kinds.cells import cell_name
from ..tables.budgets import of_model, of_sampler
from . import samples, style


def draw(
    images: Mapping[str, Mapping[float, Sequence[np.ndarray | str]]],
    captions: list[str],
    best: pd.DataFrame,
    seed: int,
    setting: str,
) -> Figure:
    """The figure, of images of the captions by size and guidance scale.

    `best` has the rows of best.csv at one sampler and step count, which `setting` names.
    """
    blocks = []
    for size, by_guidance in images.items():
        model = of_model(best, "pretrain", size, seed).iloc[0]
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
    return samples.draw(blocks, note)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    samples.add_arguments(arguments)
    arguments.add_argument("--best", required=True, type=Path, help="table of best guidances")
    arguments.add_argument("--sampler", required=True, help="sampler of the images")
    arguments.add_argument("--seed", required=True, type=int, help="training seed of the models")
    arguments.add_argument("--steps", required=True, type=int, help="denoising steps")
    arguments.add_argument("--guidance", required=True, type=float, nargs="+", help="scales")
    options = arguments.parse_args()
    images = {
        size: {
            scale: samples.read_images(path, cell_name(options.steps, scale), options.prompts)
            for scale in sorted(options.guidance)
        }
        for size, path in samples.files_by_size(options.images).items()
    }
    captions = samples.read_captions(options.captions, options.prompts)
    best = of_sampler(read_table(options.best, CELLS), options.sampler)
    best = best[best["steps"] == options.steps]
    setting = f"{options.sampler}, {options.steps} steps"
    samples.save(draw(images, captions, best, options.seed, setting), options)


if __name__ == "__main__":
    run(main)
