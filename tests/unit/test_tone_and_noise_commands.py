"""The commands that run a trained model on pairs and on prompts that name no tone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from commands import kill_at_save, run_here
from project import ROOT
from sampled import FAMILY

from ldm_scaling.jobs.arrays import map_array, read_header, write_arrays
from ldm_scaling.jobs.cli import EXIT_CONTINUE
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.train import WEIGHTS
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.workflow.specs.bias import BiasCellSpec, BiasSweepSpec, HeadsSpec
from ldm_scaling.workflow.specs.noise import NoiseLossesSpec

PAIRS, N, GROUP = 40, 8, 4
DIFFUSION = Diffusion(prediction="v_prediction")
HEADS = HeadsSpec(
    size="c8",
    training_seed=0,
    seed=0,
    diffusion=DIFFUSION,
    schedule="trailing",
    steps=[2, 4],
    noises=2,
    penalty=1,
)
CELL = {"sampler": "ddim", "schedule": "trailing", "steps": 2, "guidance": 3, "n": N, "seed": 5}
CELL |= {"extractors": [{"name": "effnet_lite0", "input_size": 32}]}
WAYS: list[dict] = [{}, {"strength": 3000}, {"candidates": 2}]
SWEEP = BiasSweepSpec(
    diffusion=DIFFUSION,
    cells=[BiasCellSpec(**CELL, **way) for way in WAYS],
    reference=0.5,
    tau=8,
    group=GROUP,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a small model, pairs of drawings with and without a tone, and prompts."""
    folder, random = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    torch.manual_seed(0)
    save_model(build_unet(FAMILY, "c8", (8, 8, 8), 16), folder / "model/unet", WEIGHTS)
    text = {"text": random.normal(size=(PAIRS, 6, 16)), "empty": random.normal(size=(6, 16))}
    write_arrays(folder / "text", {name: own.astype("f4") for name, own in text.items()}, "text")
    latents = {"latents": random.normal(size=(PAIRS, 8, 8, 8)).astype("f2")}
    write_arrays(folder / "latents", latents, "latents")
    tones = [("1", "5", "")[number % 3] for number in range(PAIRS)]
    lines = [f"{number},hand {number // 4},{tone}" for number, tone in enumerate(tones)]
    (folder / "train.csv").write_text("\n".join(["index,concept,tone", *lines]) + "\n")
    lines = [f"{number},hand,a hand,{number % 5}" for number in range(N)]
    (folder / "prompts.csv").write_text("\n".join(["index,concept,caption,row", *lines]) + "\n")
    return folder


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def run_to_the_end(world, module, work, *words) -> int:
    """Run a command again and again, a piece at a time; how often it stopped before its end."""
    tries, slices = 0, ("--work-dir", work, "--max-seconds", 1e-6)
    while True:
        done = run_here(module, *words, *slices, folder=world)
        if done.returncode != EXIT_CONTINUE:
            assert done.returncode == 0, done.stderr
            return tries
        tries += 1


def assert_same_arrays(one, other):
    """Every array of both files."""
    names = [set(read_header(path)) - {"__metadata__"} for path in (one, other)]
    assert names[0] == names[1]
    for name in names[0]:
        assert np.array_equal(map_array(one, name), map_array(other, name)), name


LOSSES = NoiseLossesSpec(diffusion=DIFFUSION, keep=[], bands=4, n=24, seed=0)


def test_losses_by_noise_bands_end_alike_after_interruptions(world):
    words = ["--spec", LOSSES.model_dump_json(), "--model", "model", "--latents", "latents"]
    words += ["--text", "text", "--out"]
    done = run_here(
        "models.noise_losses", *words, "losses", "--work-dir", "work-losses", folder=world
    )
    assert done.returncode == 0, done.stderr
    assert map_array(world / "losses", "losses").shape == (1, 4, 24)
    again = (*words, "again-losses", "--batch", 24 // 3)
    assert run_to_the_end(world, "models.noise_losses", "work-again-losses", *again) == 3
    whole, parts = (np.array(map_array(world / own, "losses")) for own in ("losses", again[-3]))
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def heads_words(out):
    words = ["--spec", HEADS.model_dump_json(), "--model", "model", "--latents", "latents"]
    return [*words, "--text", "text", "--captions", "train.csv", "--out", out]


@pytest.fixture(scope="module")
def heads(world):
    """The file of an undisturbed fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        words = heads_words("heads.safetensors")
        done = run_here("models.fit_tone_heads", *words, "--work-dir", "work-heads", folder=world)
    assert done.returncode == 0, done.stderr
    return world / "heads.safetensors"


def test_heads_are_fitted_level_by_level_and_an_interrupted_fit_ends_alike(world, heads):
    assert map_array(heads, "timesteps").tolist() == [999, 749, 499, 249], "of 2 and of 4 steps"
    assert map_array(heads, "weight").shape == (4, 2, 16 * 4 * 4)
    tries = run_to_the_end(world, "models.fit_tone_heads", "work-again", *heads_words("again"))
    assert tries >= 3
    assert_same_arrays(heads, world / "again")


def test_tones_of_one_class_are_refused(world):
    (world / "light.csv").write_text("index,concept,tone\n0,hand,1\n1,hand,2\n")
    words = [word if word != "train.csv" else "light.csv" for word in heads_words("none")]
    done = run_here("models.fit_tone_heads", *words, "--work-dir", "work-none", folder=world)
    assert done.returncode == 2
    assert "light.csv: tones of both classes are needed" in done.stderr


def sample_words(heads, out, sweep=SWEEP):
    words = ["--spec", sweep.model_dump_json(), "--model", "model", "--text", "text"]
    words += ["--autoencoder", ROOT / "pretrained/autoencoder-emoji32", "--batch", GROUP]
    return [*words, "--prompts", "prompts.csv", "--heads", heads, "--out", out]


@pytest.fixture(scope="module")
def whole(world, heads):
    """The folder of an undisturbed run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        words = sample_words(heads, "whole")
        done = run_here("cells.sample_bias", *words, "--work-dir", "work-whole", folder=world)
    assert done.returncode == 0, done.stderr
    return world / "whole"


def states_of(folder):
    """When each state of a work folder was saved."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("state-*")}


def test_a_killed_run_ends_with_the_same_files_and_another_strength_samples_only_itself(
    world, heads, whole
):
    words = [*sample_words(heads, "killed"), "--work-dir", "work-killed"]
    kill_at_save("cells.sample_bias", 3, *words, folder=world)  # within the guided cell
    assert not (world / "killed/cells.json").exists()
    saved = states_of(world / "work-killed")
    done = run_here("cells.sample_bias", *words, folder=world)
    assert done.returncode == 0, done.stderr
    after = states_of(world / "work-killed")
    assert saved.items() < after.items(), "what was saved is not sampled again"
    for name in ("features.safetensors", "images.safetensors"):
        assert (world / "killed" / name).read_bytes() == (whole / name).read_bytes()

    cells = [BiasCellSpec(**CELL, **way) for way in [{}, {"strength": 30}, *WAYS[1:]]]
    sweep = SWEEP.model_copy(update={"cells": cells})
    words = [*sample_words(heads, "more", sweep), "--work-dir", "work-killed"]
    done = run_here("cells.sample_bias", *words, folder=world)
    assert done.returncode == 0, done.stderr
    more = states_of(world / "work-killed")
    assert after.items() < more.items()
    assert len({path.parent for path in more}) == len(cells)


def test_what_is_not_guided_needs_no_heads(world, heads, whole):
    sweep = SWEEP.model_copy(update={"cells": SWEEP.cells[:1]})
    words = sample_words(heads, "plain", sweep)
    at = words.index("--heads")
    words = [*words[:at], *words[at + 2 :], "--work-dir", "work-plain"]
    done = run_here("cells.sample_bias", *words, folder=world)
    assert done.returncode == 0, done.stderr
    name = SWEEP.cells[0].name
    one, other = (map_array(out / "features.safetensors", name) for out in (world / "plain", whole))
    assert np.array_equal(one, other)


def test_a_model_that_lacks_noise_levels_is_not_sampled(world, heads):
    summary = world / "model/summary.json"
    summary.write_text(json.dumps({"levels_seen": {"1": [200, 999]}}))
    words = [*sample_words(heads, "unseen"), "--work-dir", "work-unseen"]
    try:
        done = run_here("cells.sample_bias", *words, folder=world)
    finally:
        summary.unlink()
    assert done.returncode == 0, done.stderr
    rows = json.loads((world / "unseen/cells.json").read_text())
    assert [(row["status"], row["nfe"]) for row in rows] == [
        ("levels_unseen", 4),
        ("levels_unseen", 4),
        ("levels_unseen", 8),
    ]


def test_an_interrupted_run_ends_alike_and_counts_both_candidates(world, heads, whole):
    again = sample_words(heads, "slices")
    tries = run_to_the_end(world, "cells.sample_bias", "work-slices", *again)
    assert tries >= len(WAYS) * N // GROUP - 1
    for name in ("features.safetensors", "images.safetensors"):
        assert_same_arrays(whole / name, world / "slices" / name)
    records = json.loads((whole / "cells.json").read_text())
    assert [(row["arm"], row["nfe"]) for row in records] == [
        ("plain", 4),
        ("guided", 4),
        ("best_of_two", 8),
    ]
