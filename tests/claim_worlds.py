"""Cells of worlds that are made up: what sizes, steps, guidance and training do is planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.specs import ClaimsSpec
from ldm_scaling.tables.published import SLIPS, TABLE_1
from ldm_scaling.tables.values import Values

QUALITY, ALIGNMENT = "fid", "clip_score"
SIZES = ["c64", "c96", "c128", "c192", "c320"]
SAMPLERS = ["ddim", "ddpm", "dpmpp"]
STEPS, SCALES, KEPT = [4, 20, 50, 100], [1.5, 3, 5, 8], [0.125, 0.25, 0.5]
STUDENT_STEPS, GUIDED_SIZES = [1, 2, 4, 8], ["c96", "c192"]
STUDENTS = {"distill": "lcm", "guided_distill16": "ddim", "guided_distill8": "ddim"}
"""stages and their samplers"""
FIXED = {"sampler": "ddim", "steps": 50, "guidance": 7.5}
RESAMPLES = 100
IMAGES = 64

Effect = Callable[[pd.DataFrame], pd.Series | float]
"""of cells, with z (log parameters over those of c128) and x (log sampling cost) beside CELLS"""


def nothing(_: pd.DataFrame) -> float:
    """No effect."""
    return 0.0


def spec(**changed) -> ClaimsSpec:
    """Of a study with the paper's family."""
    keys = {
        "study": "made-up",
        "family": {
            "sizes": SIZES,
            "reference_size": "c320",
            "channel_multipliers": [1, 2, 4, 4],
            "res_blocks": 2,
            "attention": [True, True, True, False],
            "heads": 8,
            "norm_groups": 32,
        },
        "latent_shape": (4, 64, 64),
        "text_shape": (77, 1024),
        "fixed": FIXED,
        "quality": QUALITY,
        "alignment": ALIGNMENT,
        "confidence": 0.95,
        "seed": 0,
        "figure_sampler": "ddim",
        "decay": "constant",
    }
    return ClaimsSpec.model_validate(keys | changed)


def family(**changed: float) -> pd.DataFrame:
    """family.csv of the sizes; `changed` are factors on its columns."""
    rows = []
    for size in SIZES:
        printed = TABLE_1[size]
        counted = {"params": printed.params, "gflops": max(printed.gflops, 57)}
        cost = {"normalized_cost": counted["gflops"] / TABLE_1["c320"].gflops}
        row = {"size": size, "channels": int(size[1:])} | counted | cost
        row |= {"published_params": printed.params, "published_gflops": printed.gflops}
        row |= {"published_normalized_cost": printed.normalized_cost}
        row |= {"published_note": SLIPS.get(size)}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(**{name: table[name] * factor for name, factor in changed.items()})


def cells(sampler: str, seed: int = 0, stage: str = "pretrain") -> pd.DataFrame:
    """The cells of a sampler, without metrics: the grid, and the fixed setting along training."""
    student = stage in STUDENTS
    steps = STUDENT_STEPS if student else STEPS
    rows = [(count, scale, 1.0) for count in steps for scale in SCALES]
    if sampler == FIXED["sampler"] and not student:
        rows += [(FIXED["steps"], FIXED["guidance"], trained) for trained in [*KEPT, 1.0]]
    grid = pd.DataFrame(rows, columns=["steps", "guidance", "trained"])
    table = family()[["size", "params", "gflops", "normalized_cost"]].merge(grid, how="cross")
    if stage.startswith("guided_distill"):
        table = table[table["size"].isin(GUIDED_SIZES)].reset_index(drop=True)
    table = table.assign(stage=stage, seed=seed, sampler=sampler, n=IMAGES, status="ok")
    table["sampling_cost"] = table["normalized_cost"] * table["steps"]
    table["guided_cost"] = (1 if student else 2) * table["sampling_cost"]
    table["total_cost"] = table["guided_cost"] + 0.05
    table["seconds"] = 0.01 * table["total_cost"]
    table["grid"] = (table["trained"] == 1) & table["guidance"].isin(SCALES)
    return table


def world(
    quality: Effect = nothing,
    alignment: Effect | None = nothing,
    *,
    noise: tuple[float, float] = (0.002, 0.00005),
    values_vary: bool = False,
    seed: int = 0,
    seeds: int = 1,
    samplers: list[str] = SAMPLERS,
    students: dict[str, str] = STUDENTS,
    **changed,
) -> Evidence:
    """A study in which 20 e^quality is its FID, 0.3 + alignment its CLIP score.

    `noise` is the standard deviation of the draws of both, relative to FID and absolute for the
    CLIP score; with `values_vary` the values have it too. With several training `seeds` it is the
    other way round: models and cells of a seed differ by it, and images make no difference.
    Without an alignment none is measured.
    """
    generator = np.random.default_rng(seed)
    found = {}
    for stage, sampler in [*(("pretrain", sampler) for sampler in samplers), *students.items()]:
        rows = pd.concat([cells(sampler, own, stage) for own in range(seeds)], ignore_index=True)
        shown = rows.assign(z=np.log(rows["params"] / 145e6), x=np.log(rows["sampling_cost"]))
        shape = (len(rows), 1 + RESAMPLES)
        for metric, effect, own in zip(
            (QUALITY, ALIGNMENT), (quality, alignment), noise, strict=True
        ):
            if effect is None:
                continue
            errors = own * generator.standard_normal(shape)
            if seeds > 1:
                models = rows.groupby(["size", "seed"]).ngroup()
                of_model = own * generator.standard_normal(models.max() + 1)
                errors[:] = errors[:, :1] + of_model[models][:, None]
            else:
                errors[:, 1:] += values_vary * errors[:, :1]
                errors[:, 0] *= values_vary
            planted = np.broadcast_to(effect(shown), len(rows))[:, None] + errors
            values = 20 * np.exp(planted) if metric == QUALITY else 0.3 + planted
            found[stage, sampler, metric] = Values(rows.assign(metric=metric), values)
    if alignment is None:
        changed["alignment"] = None
    return Evidence(spec(**changed), family(), found)
