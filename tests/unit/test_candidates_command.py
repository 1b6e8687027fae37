"""The command that makes candidates: the cell of today, interruption, records."""

import json

import networks
import numpy as np
import pytest
import torch
from commands import kill_at_save, run_here
from project import ROOT
from studies import put

from ldm_scaling.cells.metrics.clip_like import Map, scorer_arrays
from ldm_scaling.jobs.arrays import map_array, read_header, write_arrays
from ldm_scaling.jobs.cli import EXIT_CONTINUE
from ldm_scaling.jobs.tables import MEASURED
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.train import WEIGHTS
from ldm_scaling.study.family import Family
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.candidates import CandidatesSpec
from ldm_scaling.workflow.specs.cells import SweepSpec

N = 16


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a small model, maps of both scores, and the model's metrics."""
    folder, random = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    torch.manual_seed(0)
    keys = {"channel_multipliers": [1, 2], "attention": [True, True], "res_blocks": 1}
    family = Family(sizes=["c8"], reference_size="c8", heads=2, norm_groups=4, **keys)
    save_model(build_unet(family, "c8", (8, 8, 8), 16), folder / "model/unet", WEIGHTS)
    text = {"text": random.normal(size=(N, 6, 16)), "empty": random.normal(size=(6, 16))}
    write_arrays(folder / "text", {name: own.astype("f4") for name, own in text.items()}, "text")
    for name, width in (("verifier", 1280), ("judge", 512)):
        maps = Map(np.zeros(width), np.ones(width), random.normal(size=(width, 8)))
        captions = random.normal(size=(N, 8))
        write_arrays(folder / name, scorer_arrays(maps, maps, 0.07, captions), name)
    networks.squeezenet(folder)
    rows = [[4, scale, 1, "fd_effnet_lite0", value, value, value, N, 4, 0.1, "ok"]
            for scale, value in ((1, 10), (3, 5))]  # fmt: skip
    lines = [MEASURED, *rows]
    (folder / "metrics.csv").write_text("\n".join(",".join(map(str, row)) for row in lines) + "\n")
    return folder


@pytest.fixture
def study(pocket_config):
    """The pocket study with few images."""
    put(pocket_config, "sampling.n", N)
    put(pocket_config, "sampling.guidance", [1, 3])
    put(pocket_config, "search.method", "grid")
    extractor = {"name": "effnet_lite0", "input_size": 32, "components": 4}
    put(pocket_config, "metrics.extractors", [extractor])
    put(pocket_config, "metrics.judge", {"extractor": {"name": "squeezenet", "input_size": 32}})
    section = {"methods": ["best_of", "zero_order", "resample"], "counts": [1, 2], "steps": [4]}
    put(pocket_config, "candidates", section)
    put(pocket_config, "superres", None)
    return load_study(pocket_config)


def options(spec, out, *more):
    words = ["--model", "model", "--autoencoder", ROOT / "pretrained/autoencoder-emoji32"]
    words += ["--text", "text", "--spec", spec.model_dump_json(), "--out", out]
    return [*words, "--work-dir", f"work-{out}", "--batch", 8, *more]


def words_of(study, out, *more):
    """The words of the command that makes candidates."""
    spec = CandidatesSpec.of(study, "pretrain", "c12")
    words = ["--metrics", "metrics.csv", "--clip-like", "verifier", "--judge-maps", "judge"]
    words += ["--judge-weights", "squeezenet1_1.safetensors", *more]
    return options(spec, out, *words)


def keep(study, world, out, *more):
    """Make candidates, and return the status."""
    words = words_of(study, out, *more)
    done = run_here("cells.sample_candidates", *words, folder=world)
    assert done.returncode in (0, EXIT_CONTINUE), done.stderr
    return done.returncode


@pytest.fixture
def whole(study, world, monkeypatch):
    """What an undisturbed run keeps."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert keep(study, world, "whole") == 0
    return world / "whole"


def test_one_candidate_is_the_cell_and_an_interrupted_run_ends_alike(study, world, whole):
    cells = SweepSpec.of(study, "pretrain", "ddim", "c12").cells
    cell = next(own for own in cells if (own.steps, own.guidance) == (4, 3))
    spec = SweepSpec(diffusion=study.diffusion, cells=[cell])
    done = run_here("cells.sweep", *options(spec, "cell"), folder=world)
    assert done.returncode == 0, done.stderr
    ours, theirs = (world / out / "features.safetensors" for out in ("whole", "cell"))
    one = map_array(ours, "steps4_guidance3_best_of1")
    assert np.array_equal(one, map_array(theirs, "steps4_guidance3"))
    assert not np.array_equal(one, map_array(ours, "steps4_guidance3_best_of2"))

    tries = 0
    while keep(study, world, "slices", "--max-seconds", 1e-6) == EXIT_CONTINUE:
        tries += 1
    assert tries == 2 + 2 + 8  # batches of 8, and of 2 images with four particles each
    for name in ("features.safetensors", "images.safetensors"):
        one, other = (read_header(world / out / name) for out in ("whole", "slices"))
        assert one.keys() == other.keys()
        for array in one.keys() - {"__metadata__"}:
            own, again = (map_array(world / out / name, array) for out in ("whole", "slices"))
            assert np.array_equal(own, again)


def test_a_killed_run_ends_with_the_same_files(study, world, whole):
    words = words_of(study, "killed")
    kill_at_save("cells.sample_candidates", 6, *words, folder=world)  # within the last method
    assert not (world / "killed/cells.json").exists()
    saved = {path: path.stat().st_mtime_ns for path in (world / "work-killed").rglob("piece-*")}
    assert len(saved) == 6
    assert keep(study, world, "killed") == 0
    after = {path: path.stat().st_mtime_ns for path in (world / "work-killed").rglob("piece-*")}
    assert saved.items() < after.items(), "what was saved is not made again"
    for name in ("features.safetensors", "images.safetensors"):
        assert (world / "killed" / name).read_bytes() == (whole / name).read_bytes()


def test_records_count_all_candidates(whole):
    records = json.loads((whole / "cells.json").read_text())
    found = [(row["method"], row["candidates"], row["nfe"], row["verified"]) for row in records]
    assert found == [
        ("best_of", 1, 8, 0),
        ("best_of", 2, 16, 2),
        ("zero_order", 2, 16, 2),
        ("resample", 4, 32, 16),
    ]
    assert all(row["spread"].keys() == {"clip_like", "judge"} for row in records)
    assert records[1]["seconds"] > records[0]["seconds"] > 0
    judged = map_array(whole / "features.safetensors", "steps4_guidance3_resample4/judge")
    assert judged.shape == (N,) and np.isfinite(judged).all()
