"""Tables of cells with planted values, whose images vary as it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ldm_scaling.jobs.tables import CELLS, write_cells

METRIC = "fd_effnet_lite0"
COSTS = ["sampling_cost", "guided_cost", "total_cost", "seconds"]


def study(
    folder: Path,
    cells: Sequence[dict],
    *,
    noise: float = 0.0,
    common: float = 0.0,
    seed: int = 0,
    replicates: int = 200,
    stage: str = "pretrain",
    sampler: str = "ddim",
) -> Path:
    """Write cells.csv of a stage and sampler, with its draws, below a folder; returns the folder.

    Each cell has `value`, which is the truth, and what differs from the defaults. What is measured
    is the truth with noise of a standard deviation that images of a cell have of their own
    (`noise`), and that all cells share (`common`). Draws vary likewise.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for number, cell in enumerate(cells):
        cost = cell.get("cost", 1.0)
        row = dict.fromkeys(CELLS, 1) | {
            "stage": stage,
            "size": f"c{8 + number}",
            "seed": 0,
            "sampler": sampler,
            "steps": 4,
            "guidance": 3.0,
            "metric": METRIC,
            "n": 64,
            "grid": True,
            "status": "ok",
            "at_boundary": False,
        }
        rows.append(
            row | dict.fromkeys(COSTS, cost) | {k: v for k, v in cell.items() if k != "cost"}
        )
    table = pd.DataFrame(rows)
    truth = table["value"].to_numpy(float)
    luck = generator.normal(0, noise, len(rows)) + generator.normal(0, common)
    own = generator.normal(0, noise, (len(rows), replicates))
    shared = generator.normal(0, common, replicates)
    table["value"] = truth + luck
    draws = table["value"].to_numpy()[:, None] + own + shared
    failed = (table["status"] != "ok").to_numpy()
    table.loc[failed, "value"], draws[failed] = np.nan, np.nan
    table["lo"], table["hi"] = np.quantile(draws, [0.025, 0.975], axis=1)
    place = folder / stage / sampler
    place.mkdir(parents=True, exist_ok=True)
    write_cells(table, draws, place / "cells.csv", place / "draws.safetensors")
    costs = {"size": table["size"], "channels": 8, "params": 1000, "gflops": 2.0}
    family = pd.DataFrame(costs | {"normalized_cost": 1.0}).drop_duplicates("size")
    family.to_csv(folder / "family.csv", index=False)
    return folder
