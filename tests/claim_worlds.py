"""Worlds that are made up: what sizes, steps, guidance and training do is planted."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from claim_cells import (
    ALIGNMENT,
    ARMS,
    CONSISTENCY,
    COVERAGE,
    ENCODERS,
    ENDLESS,
    FIDELITY,
    IMAGES,
    INCEPTION_SCORE,
    KID,
    OTHERS,
    PAIR_SIZES,
    PERCEPTUAL,
    QUALITY,
    REMOVED_AT,
    RESAMPLES,
    SAMPLERS,
    SCALES,
    STEPS,
    STITCHED,
    STITCHED_STEPS,
    STRENGTHS,
    TAUGHT_IMAGES,
    TONED_SCALES,
    TONED_STEPS,
    Effect,
    cells,
    family,
    floors,
    nothing,
    of_seeds_or_images,
    planted_in,
    spec,
)

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.tables.bias import DISCREPANCY, LIGHT_SHARE
from ldm_scaling.tables.searches import AIM
from ldm_scaling.tables.values import Values


def world(
    quality: Effect = nothing,
    alignment: Effect | None = nothing,
    perceptual: Effect = nothing,
    score: Effect = nothing,
    subjects: Effect | None = nothing,
    endless: Effect = nothing,
    kid: Effect = nothing,
    stitched: Effect | None = nothing,
    searches: Effect = nothing,
    split: Effect | None = nothing,
    judged: Effect | None = nothing,
    looked: Effect = nothing,
    varied: Effect = nothing,
    covered: Effect = nothing,
    tones: Effect | None = nothing,
    toned: Effect = nothing,
    made: Effect | None = nothing,
    own_score: Effect = nothing,
    *,
    costlier: dict[str, Effect] | None = None,
    search_images: int = 30,
    noise: tuple[float, float] = (0.002, 0.00005),
    values_vary: bool = False,
    seed: int = 0,
    seeds: int = 1,
    samplers: list[str] = SAMPLERS,
    others: dict[str, str] = OTHERS,
    **changed,
) -> Evidence:
    """A study in which 20 e^quality is its FID, 0.3 + alignment its CLIP score.

    Super-resolution has an LPIPS of 0.3 e^perceptual and an inception score of 0.3 + score. Sizes
    that were taught subjects have a similarity of 0.6 + subjects; None: none were taught. Stitched
    trajectories have an FID of 20 e^stitched; None: there are none. Pairs of a text encoder and a
    U-Net have one of 20 e^split; None: there are none. Pretrained models have a FID-infinity of
    0.8 e^endless times their FID and a KID of 0.01 e^kid times it, with the same noise. Students of
    consistency distillation cover 0.3 + covered of the real images. The share
    of adaptive searches that the aim asks for succeeds, those with a regret of at most 1;
    `searches` adds to it. Images of prompts that name no tone have a share of light ones of 0.65 +
    tones, those of training one of 0.8, and the FID is 20 e^toned; None: no bias is measured.

    `noise` is the standard deviation of the draws of both, relative to FID and absolute for the
    CLIP score; with `values_vary` the values have it too. With several training `seeds` it is the
    other way round: models and cells of a seed differ by it, and images make no difference. What is
    kept of candidates has scores and a coverage as `candidates` says; None: each image is kept.
    Students with noise that was made have scores as `inverted` says; None: it was made for none.
    Without an alignment none is measured.

    `costlier` has the logarithms of factors on columns of costs of models' cells. Each search takes
    `search_images` images, a grid 100.
    """
    generator, of_arms = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    found = {}
    for stage, sampler in [*(("pretrain", sampler) for sampler in samplers), *others.items()]:
        rows = pd.concat([cells(sampler, own, stage) for own in range(seeds)], ignore_index=True)
        shown = rows.assign(z=np.log(rows["params"] / 145e6), x=np.log(rows["sampling_cost"]))
        for cost, effect in (costlier or {}).items():
            rows[cost] *= np.exp(effect(shown))
        shape = (len(rows), 1 + RESAMPLES)
        effects = {QUALITY: (quality, noise[0]), ALIGNMENT: (alignment, noise[1])}
        if stage in CONSISTENCY:
            effects[COVERAGE] = (covered, noise[0] / 10)
        if stage == "superres":
            effects[PERCEPTUAL] = (perceptual, noise[0])
            effects[INCEPTION_SCORE] = (score, 10 * noise[1])
            del effects[ALIGNMENT]
        for metric, (effect, own) in effects.items():
            if effect is None:
                continue
            drawn = of_arms if stage in ARMS else generator  # one more arm changes no other cell
            errors = own * drawn.standard_normal(shape)
            of_seeds_or_images(errors, rows, own, values_vary, drawn)
            planted = np.broadcast_to(effect(shown), len(rows))[:, None] + errors
            levels = {QUALITY: 20 * np.exp(planted), PERCEPTUAL: 0.3 * np.exp(planted)}
            values = levels.get(metric, 0.3 + planted)
            found[stage, sampler, metric] = Values(rows.assign(metric=metric), values)
            if metric == QUALITY and stage == "pretrain":
                for other, scale, more in ((ENDLESS, 0.8, endless), (KID, 0.01, kid)):
                    own = np.broadcast_to(scale * np.exp(more(shown)), len(rows))[:, None] * values
                    found[stage, sampler, other] = Values(rows.assign(metric=other), own)
    if alignment is None:
        changed["alignment"] = None
    similarity = None
    if subjects is not None:
        rows = taught(seeds)
        errors = noise[0] * generator.standard_normal((len(rows), 1 + RESAMPLES))
        of_seeds_or_images(errors, rows, noise[0], values_vary, generator)
        shown = rows.assign(z=np.log(rows["params"] / 145e6))
        planted = np.broadcast_to(subjects(shown), len(rows))[:, None]
        similarity = Values(rows, 0.6 + planted + errors)
    how = (noise[0], values_vary, generator)
    beside = stitched and planted_in(trajectories(seeds), stitched, *how)
    replayed = searched(searches, search_images, samplers, generator)
    pairs = split and planted_in(paired(seeds), split, *how).over_seeds(0.95)
    pairs = pairs and Values(pairs.rows.assign(seeds=seeds), pairs.draws)
    biased = tones and of_tones(tones, toned, seeds, *how)
    kept = judged and candidates(judged, looked, varied, seeds, *how)
    noises = made and inverted(made, own_score, seeds, *how)
    beside = (beside, replayed, pairs, floors(), kept, noises)
    return Evidence(spec(**changed), family(), found, similarity, *beside, toned=biased or {})


def searched(
    effect: Effect, images: int, samplers: list[str], generator: np.random.Generator
) -> pd.DataFrame:
    """search_cost.csv, as far as claims read it, of two training seeds of every size."""
    rows = _models(*samplers)
    regret = generator.uniform(0, 1 / AIM.success, len(rows)) + effect(rows)
    return rows.assign(images=images, grid_images=100, success=regret <= 1)


def _models(*samplers: str) -> pd.DataFrame:
    """A cell of each size, sampler and number of steps, for two training seeds."""
    rows = pd.concat([cells(sampler, seed) for sampler in samplers for seed in (0, 1)])
    return rows.drop_duplicates(["size", "sampler", "steps", "seed"]).reset_index(drop=True)


def of_tones(share: Effect, quality: Effect, seeds: int, *how: Any) -> dict[str, Values]:
    """Cells of prompts that name no tone, by metric, as `read_bias` has them."""
    rows = prompted(seeds)
    found = planted_in(rows, lambda r: np.log(0.65 + share(r)) - np.log(20), *how)
    distance = np.sqrt(2) * np.abs(found.draws - 0.5)
    return {
        LIGHT_SHARE: Values(rows.assign(metric=LIGHT_SHARE), found.draws),
        DISCREPANCY: Values(rows.assign(metric=DISCREPANCY), distance),
        QUALITY: planted_in(rows, quality, *how),
    }


def prompted(seeds: int) -> pd.DataFrame:
    """The cells of prompts that name no tone, without metrics."""
    plain = [(*own, "plain", np.nan) for own in product(TONED_STEPS, TONED_SCALES)]
    ways = [(*own, "guided") for own in product(TONED_STEPS, [REMOVED_AT])]
    rows = plain + [(*own, strength) for own, strength in product(ways, STRENGTHS)]
    grid = pd.DataFrame(rows, columns=["steps", "guidance", "arm", "strength"])
    table = family()[["size", "params", "normalized_cost"]].merge(grid, how="cross")
    table = table.merge(pd.DataFrame({"seed": range(seeds)}), how="cross")
    evaluations = table["steps"] * np.where(table["guidance"] == 1, 1, 2)
    table["guided_cost"] = table["normalized_cost"] * evaluations
    table["z"] = np.log(table["params"] / 145e6)
    rest = {"stage": "bias", "sampler": "ddim", "trained": 1.0, "grid": True, "at_boundary": False}
    shares = {"training_share": 0.8, "reference": 0.5, "metric": QUALITY}
    return table.assign(**rest, **shares, n=IMAGES, status="ok", seconds=0.1)


def trajectories(seeds: int) -> pd.DataFrame:
    """Stitched trajectories in both orders, as `read_stitched` has them."""
    cost = family().set_index("size")["normalized_cost"]
    rows = []
    for sizes in STITCHED:
        for steps, seed, scale in product(STITCHED_STEPS, range(seeds), SCALES):
            for first in (steps // 4, steps // 2, steps - steps // 4):
                allocation = (first, steps - first)
                paid = sum(n * cost[size] for n, size in zip(allocation, sizes, strict=True))
                names = ("-".join(sizes), "-".join(map(str, allocation)), seed, steps, scale)
                rows.append((*names, paid))
    columns = ["sizes", "allocation", "seed", "steps", "guidance", "sampling_cost"]
    table = pd.DataFrame(rows, columns=columns)
    table["size"] = table["sizes"] + " " + table["allocation"]
    table["rising"] = table["sizes"].isin(["-".join(sizes) for sizes in STITCHED[::2]])
    setting = {"stage": "stitch", "sampler": "ddim", "trained": 1.0, "grid": True}
    setting["at_boundary"] = False
    return table.assign(**setting, metric=QUALITY, n=IMAGES, status="ok", seconds=0.1)


def candidates(
    judged: Effect,
    looked: Effect,
    varied: Effect,
    seeds: int,
    noise: float,
    values_vary: bool,
    generator: np.random.Generator,
) -> dict[str, Values]:
    """What is kept of candidates, by metric: levels of 0.2, 0.3 and 0.5, plus the effects.

    Effects also see `doublings` of the number of candidates, and a `spread` of theirs is kept.
    """
    models = (("ddim", "pretrain"), ("lcm", "distill"))
    rows = [cells(name, seed, stage) for name, stage in models for seed in range(seeds)]
    rows = pd.concat(rows, ignore_index=True)
    rows = rows[rows["steps"].isin([1, *STEPS[:3]]) & (rows["guidance"] == SCALES[0])]
    counts = pd.DataFrame({"candidates": [1, 2, 4, 8], "doublings": range(4)})
    rows = rows.merge(counts, how="cross").assign(method="best_of", verified=1)
    for cost in ("sampling_cost", "guided_cost", "total_cost"):
        rows[cost] *= rows["candidates"]
    rows["z"] = np.log(rows["params"] / 145e6)
    found = {}
    planted = {"judge": (0.2, 0.04, judged), ALIGNMENT: (0.3, 0.08, looked)}
    planted["coverage_inception_v3"] = (0.5, np.nan, varied)
    for metric, (level, spread, effect) in planted.items():
        own = rows.assign(metric=metric, spread=spread)
        errors = noise * generator.standard_normal((len(rows), 1 + RESAMPLES))
        of_seeds_or_images(errors, rows, noise, values_vary, generator)
        values = level + np.broadcast_to(effect(own), len(rows))[:, None] + errors
        found[metric] = Values(own, values)
    return found


def inverted(
    made: Effect,
    own_score: Effect,
    seeds: int,
    noise: float,
    values_vary: bool,
    generator: np.random.Generator,
) -> dict[str, Values]:
    """Students with each noise, by metric: a judge of 0.2 + made, the own score of 0.3 + own_score.

    Effects also see the `kind` of the noise and its `steps_up`, the gradient steps of ascent.
    """
    rows = pd.concat([cells("lcm", seed, "distill") for seed in range(seeds)], ignore_index=True)
    rows = rows[(rows["steps"] == 1) & (rows["guidance"] == SCALES[0])].assign(stage="inversion")
    steps_up = [0, 0, 0, 1, 3, 10]  # ten cost more than the most candidates
    ways = pd.DataFrame(
        {"noise": ["none", "global", "caption", *(f"ascent{n}" for n in steps_up[3:])]}
    )
    ways["kind"], ways["steps_up"] = ways["noise"].str.rstrip("013"), steps_up
    rows = rows.merge(ways, how="cross")
    rows["total_cost"] *= 1 + 2 * rows["steps_up"]
    rows["z"] = np.log(rows["params"] / 145e6)
    found = {}
    for metric, level, effect in (("judge", 0.2, made), (ALIGNMENT, 0.3, own_score)):
        errors = noise * generator.standard_normal((len(rows), 1 + RESAMPLES))
        of_seeds_or_images(errors, rows, noise, values_vary, generator)
        values = level + np.broadcast_to(effect(rows), len(rows))[:, None] + errors
        found[metric] = Values(rows.assign(metric=metric), values)
    return found


def paired(seeds: int) -> pd.DataFrame:
    """Pairs of text encoders and U-Nets with their parameters and GFLOPs, cells of each seed."""
    encoders = pd.DataFrame({"encoder": ENCODERS.keys(), "text_params": ENCODERS.values()})
    table = family()[["size", "params", "gflops"]]
    table = table[table["size"].isin(PAIR_SIZES)]
    table = table.rename(columns={"params": "unet_params", "gflops": "image_unet_gflops"})
    table = encoders.merge(table, how="cross").merge(
        pd.DataFrame({"seed": range(seeds)}), how="cross"
    )
    table["autoencoder_params"] = 80e6
    table["params"] = table[["text_params", "autoencoder_params", "unet_params"]].sum(axis=1)
    table["image_caption_gflops"] = table["text_params"] * 1e-6
    table["gflops"] = table["image_caption_gflops"] + table["image_unet_gflops"] + 50
    identity = {
        "stage": "budget_" + table["encoder"],
        "sampler": "ddim",
        "steps": 50,
        "trained": 1.0,
    }
    rest = {"guidance": 7.5, "at_boundary": False, "metric": QUALITY, "seconds": 0.1}
    return table.assign(**identity, **rest, n=IMAGES, status="ok", value=20.0, lo=19.0, hi=21.0)


def taught(seeds: int) -> pd.DataFrame:
    """Sizes that were taught subjects, as `read_scores` has them."""
    table = family()[["size", "params"]].merge(pd.DataFrame({"seed": range(seeds)}), how="cross")
    setting = {"sampler": "ddim", "steps": 50, "guidance": 7.5, "trained": 1.0, "seconds": 0.1}
    identity = {
        "stage": "dreambooth",
        "subject": "all",
        "metric": FIDELITY,
        "name": "",
        "class": "",
    }
    return table.assign(**identity, **setting, n=TAUGHT_IMAGES, status="ok")
