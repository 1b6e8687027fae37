"""Cells of studies that are made up, without metrics, and the noise of what is planted in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from ldm_scaling.costs.published import SLIPS, TABLE_1
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow.specs.claims import ClaimsSpec

QUALITY, ALIGNMENT = "fid", "clip_score"
ENDLESS, KID, COVERAGE = "fid_infinity", "kid_inception_v3", "coverage_inception_v3"
SIZES = ["c64", "c96", "c128", "c192", "c320"]
SAMPLERS = ["ddim", "ddpm", "dpmpp", "ddim/trailing", "ddim/leading", "ddim/linspace"]
STEPS, SCALES, KEPT = [2, 4, 20, 50, 100], [1.5, 3, 5, 8], [0.125, 0.25, 0.5]
SR_STEPS, SR_FIXED, SR_KEPT = [4, 10, 20, 50, 100, 250], 50, [0.125, 0.25, 0.5]
PERCEPTUAL, INCEPTION_SCORE = "lpips_alex", "inception_score"
STUDENT_STEPS, GUIDED_SIZES = [1, 2, 4, 8], ["c96", "c192"]
CONSISTENCY = dict.fromkeys(("distill", "distill_noise", "distill_adversary"), "lcm")
STUDENTS = CONSISTENCY | {"guided_distill16": "ddim", "guided_distill8": "ddim"}
"""stages and their samplers"""
ARMS = {"curriculum_easy_to_hard": "ddim", "curriculum_hard_to_easy": "ddim"}
OTHERS = STUDENTS | {"superres": "ddim"} | ARMS
FIXED = {"sampler": "ddim", "steps": 50, "guidance": 7.5}
RESAMPLES = 100
IMAGES = 64
STITCHED = [("c96", "c320"), ("c320", "c96"), ("c128", "c320"), ("c320", "c128")]
STITCHED_STEPS = [8, 20]
FIDELITY, TAUGHT_IMAGES = "similarity_inception_v3", 96

TONED_STEPS, TONED_SCALES, REMOVED_AT = [4, 8], [1, 3, 6], 3
STRENGTHS = [1, 4]
ENCODERS = {"small": 1e6, "middle": 100e6, "large": 200e6}
PAIR_SIZES = ["c64", "c128", "c192", "c320"]

Effect = Callable[[pd.DataFrame], pd.Series | float]
"""of cells, with z (log parameters over those of c128) and x (log sampling cost) beside CELLS"""


def nothing(_: pd.DataFrame) -> float:
    """No effect."""
    return 0.0


def spec(**changed) -> ClaimsSpec:
    """Spec of the claims of a study with the paper's family."""
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
        "coverage": COVERAGE,
        "confidence": 0.95,
        "seed": 0,
        "figure_sampler": "ddim",
        "decay": "constant",
        "agreement": {"distances": [QUALITY, ENDLESS, KID], "budgets": [1, 4, 20]},
        "superres": {
            "perceptual": PERCEPTUAL,
            "fixed_steps": SR_FIXED,
            "decay": "constant",
            "score": INCEPTION_SCORE,
        },
        "subjects": 30,
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


def floors() -> pd.DataFrame:
    """floors.csv: what real images have."""
    rows = [("real", QUALITY, 2.0, 1.9, 2.1), ("real", ALIGNMENT, 0.5, 0.49, 0.51)]
    return pd.DataFrame(rows, columns=["kind", "metric", "value", "lo", "hi"])


def cells(sampler: str, seed: int = 0, stage: str = "pretrain") -> pd.DataFrame:
    """The cells of a sampler, without metrics: the grid, and the fixed setting along training.

    All worlds share the table.
    """
    return _cells(sampler, seed, stage, tuple(STUDENT_STEPS if stage in STUDENTS else STEPS))


@cache
def _cells(sampler: str, seed: int, stage: str, steps: tuple[int, ...]) -> pd.DataFrame:
    rows = [(count, scale, 1.0) for count in steps for scale in SCALES]
    if stage == "superres":
        rows = [(count, 1.0, 1.0) for count in SR_STEPS]
        rows += [(SR_FIXED, 1.0, trained) for trained in SR_KEPT]
    if sampler == FIXED["sampler"] and stage == "pretrain":
        rows += [(FIXED["steps"], FIXED["guidance"], trained) for trained in [*KEPT, 1.0]]
    grid = pd.DataFrame(rows, columns=["steps", "guidance", "trained"])
    table = family()[["size", "params", "gflops", "normalized_cost"]].merge(grid, how="cross")
    if stage.startswith("guided_distill"):
        table = table[table["size"].isin(GUIDED_SIZES)].reset_index(drop=True)
    table = table.assign(stage=stage, seed=seed, sampler=sampler, n=IMAGES, status="ok")
    table["sampling_cost"] = table["normalized_cost"] * table["steps"]
    guided = stage == "pretrain" or stage in ARMS
    table["guided_cost"] = (2 if guided else 1) * table["sampling_cost"]
    table["total_cost"] = table["guided_cost"] + 0.05
    table["seconds"] = 0.01 * table["total_cost"]
    table["grid"] = (table["trained"] == 1) & table["guidance"].isin([*SCALES, 1.0])
    table["at_boundary"] = table["grid"] & table["guidance"].isin([min(SCALES), max(SCALES)])
    return table


def planted_in(
    rows: pd.DataFrame,
    effect: Effect,
    scale: float,
    values_vary: bool,
    generator: np.random.Generator,
) -> Values:
    """Rows whose FID is 20 e^effect, with noise as that of `world`."""
    errors = scale * generator.standard_normal((len(rows), 1 + RESAMPLES))
    of_seeds_or_images(errors, rows, scale, values_vary, generator)
    planted = np.broadcast_to(effect(rows), len(rows))[:, None]
    return Values(rows, 20 * np.exp(planted + errors))


def of_seeds_or_images(
    errors: np.ndarray,
    rows: pd.DataFrame,
    scale: float,
    values_vary: bool,
    generator: np.random.Generator,
) -> None:
    """Make errors [rows, 1 + R] those of training seeds, or of images where there is one seed."""
    if rows["seed"].nunique() > 1:
        models = rows.groupby(["size", "seed"]).ngroup()
        of_model = scale * generator.standard_normal(models.max() + 1)
        errors[:] = errors[:, :1] + of_model[models][:, None]
    else:
        errors[:, 1:] += values_vary * errors[:, :1]
        errors[:, 0] *= values_vary
