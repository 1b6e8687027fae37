"""Adaptive sweeps: the same cells as the grid's, from the same state, and after a kill."""

import json
import sys

import numpy as np
import pytest
import torch
from commands import kill_at_save
from project import ROOT
from studies import put

from ldm_scaling.cells import sweep
from ldm_scaling.cells.adaptive import metric_of
from ldm_scaling.cells.comparison import Prompts, compare, prepare
from ldm_scaling.cells.metrics.bootstrap import resample_counts
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.cells.sample import LatentSampler
from ldm_scaling.cells.search import most_images
from ldm_scaling.jobs.arrays import map_array, read_header, write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.train import WEIGHTS
from ldm_scaling.study.load import load_study
from ldm_scaling.study.metrics import Metrics
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.tables import SearchCostSpec

N, SCALES, LOOK = 40, [1, 2, 4, 8, 16], 0.17


@pytest.fixture
def config(pocket_config):
    """Config of a tiny study."""
    pocket_config["family"] |= {"sizes": ["c8"], "reference_size": "c8"}
    fixed = {"sampler": "ddim", "steps": 2, "guidance": 4}
    grid = {"n": N, "steps": [1, 2], "guidance": SCALES, "fixed": fixed}
    pocket_config["sampling"] |= grid
    pocket_config["training"]["keep"] = []
    put(pocket_config, "metrics.extractors.0.components", 8)
    pocket_config["guided_distill"] = None
    return pocket_config


def spec_of(config, **search):
    return SweepSpec.of(load_study(config | {"search": search}), "pretrain", "ddim")


@pytest.fixture
def words(config, tmp_path):
    """The options of a sweep but `--spec`, `--out` and `--work-dir`."""
    random = np.random.default_rng(1)
    text = {name: random.normal(size=shape) for name, shape in TEXT.items()}
    write_arrays(tmp_path / "text", {k: v.astype("f4") for k, v in text.items()}, "text")
    reference = random.gamma(0.2, size=(60, 1280)).astype("f2")
    write_arrays(tmp_path / "reference", {"features": reference}, "reference")
    torch.manual_seed(0)
    study = load_study(config)
    unet = build_unet(study.family, "c8", (8, 8, 8), 16)
    torch.nn.init.normal_(unet.conv_out.weight, std=0.2)  # so that guidance matters
    save_model(unet, tmp_path / "model/unet", WEIGHTS)
    paths = {"model": "model", "text": "text", "reference": "reference"}
    options = [f"--{name}={tmp_path / path}" for name, path in paths.items()]
    return [*options, f"--autoencoder={ROOT / 'pretrained/autoencoder-emoji32'}"]


TEXT = {"text": (N, 6, 16), "empty": (6, 16)}


@pytest.fixture
def run_sweep(words, tmp_path, monkeypatch):
    """A function that runs a sweep and returns its files, and how many images it sampled."""
    sampled = []
    images_of = LatentSampler.images_of

    def counted(self, text, rows, *more):
        sampled.append(len(rows))
        return images_of(self, text, rows, *more)

    monkeypatch.setattr(LatentSampler, "images_of", counted)

    def run(spec, name, work, *then):
        sampled.clear()
        options = [*words, *then, f"--out={tmp_path / name}", f"--work-dir={tmp_path / work}"]
        options += ["--spec", spec.model_dump_json(), "--batch=16"]
        monkeypatch.setattr(sys, "argv", ["sweep", *options])
        sweep.main()
        return tmp_path / name, sum(sampled)

    return run


def test_a_study_with_the_grid_has_the_specs_that_it_had(config):
    spec = spec_of(config, method="grid", look=0.2)
    assert "search" not in spec.model_dump_json()
    assert len(spec.cells) == 10 == len(spec.possible)
    adaptive = spec_of(config, method="adaptive")
    assert [cell.name for cell in adaptive.cells] == ["steps2_guidance4"]  # the fixed setting
    assert adaptive.search.candidates == spec.cells
    searches = ({"method": method} for method in ("adaptive", "grid"))
    adaptive, grid = (load_study(config | {"search": search}) for search in searches)
    assert SweepSpec.of(adaptive, "superres", "ddim") == SweepSpec.of(grid, "superres", "ddim")


@pytest.mark.parametrize(
    ("key", "value", "sweeps", "replays"),
    [
        ("search.look", 0.5, True, True),
        ("metrics.select_by", "kid", True, True),
        ("metrics.extractors.0.components", 7, True, True),
        ("metrics.confidence", 0.9, False, True),
        ("sampling.guidance", [1, 2, 4], True, True),
        ("sampling.students.guidance", [3], False, True),
        ("metrics.bootstrap", 50, False, False),
        ("training.lr", 0.5, False, False),
    ],
)
def test_a_key_changes_searches_that_depend_on_it(config, key, value, sweeps, replays):
    def specs():
        study = load_study(config)
        return SweepSpec.of(study, "pretrain", "ddim"), SearchCostSpec.of(study)

    put(config, "search.method", "adaptive")
    before = specs()
    put(config, key, value)
    changed = [was != now for was, now in zip(before, specs(), strict=True)]
    assert changed == [sweeps, replays]


def test_the_grid_and_adaptive_searches_share_what_they_sample(config, run_sweep):
    grid, adaptive = spec_of(config, method="grid"), spec_of(config, method="adaptive")
    first, searched = run_sweep(adaptive, "adaptive", "work")
    budget = 2 * most_images(len(SCALES), N, LOOK) + N  # and the fixed setting
    assert searched <= budget < 10 * N
    whole, rest = run_sweep(grid, "grid", "work")
    assert searched + rest == 10 * N
    again, nothing = run_sweep(adaptive, "again", "work")
    assert nothing == 0
    names = [record["name"] for record in json.loads((first / "cells.json").read_text())]
    assert "steps2_guidance4" in names and 2 <= len(names) < 6
    for name in ("features.safetensors", "images.safetensors"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        for cell in names:
            found = map_array(first / name, cell)
            assert found.tobytes() == map_array(whole / name, cell).tobytes()
    for steps in (1, 2):
        looks = map_array(first / "features.safetensors", f"search/steps{steps}")
        assert len(set(looks[:, 0])) >= 3 and looks[-1, 1] == N
        assert f"steps{steps}_guidance{looks[-1, 0]:g}" in names
    assert not any("search" in name for name in read_header(whole / "features.safetensors"))
    # sampled whole from the start, where batches lie elsewhere: equal up to rounding
    undisturbed, _ = run_sweep(grid, "undisturbed", "other")
    for cell in names:
        np.testing.assert_allclose(
            map_array(whole / "features.safetensors", cell),
            map_array(undisturbed / "features.safetensors", cell),
            atol=0.02,
        )


@pytest.fixture
def trajectories(config, tmp_path):
    """From a method of search to the spec of stitched cells; and the option of their sweep."""
    config["family"]["sizes"] = ["c8", "c16"]
    config["stitch"] = {"sizes": [["c8", "c16"]], "shares": [0.5, 0.75], "steps": [4]}

    def spec(method):
        return SweepSpec.of_stitched(load_study(config | {"search": {"method": method}}), "c8-c16")

    torch.manual_seed(1)
    unet = build_unet(load_study(config).family, "c16", (8, 8, 8), 16)
    save_model(unet, tmp_path / "second/unet", WEIGHTS)
    return spec, f"--then={tmp_path / 'second'}"


def test_trajectories_are_searched_as_single_sizes_are(trajectories, run_sweep):
    spec, then = trajectories
    first, searched = run_sweep(spec("adaptive"), "adaptive", "work", then)
    whole, rest = run_sweep(spec("grid"), "grid", "work", then)
    assert searched <= 2 * most_images(len(SCALES), N, LOOK) and searched + rest == 10 * N
    found = read_header(first / "features.safetensors")
    for allocation in ("2-2", "3-1"):
        looks = map_array(first / "features.safetensors", f"search/steps4_stitched{allocation}")
        name = f"steps4_guidance{looks[-1, 0]:g}_stitched{allocation}"
        assert looks[-1, 1] == N and name in found
        own = map_array(whole / "features.safetensors", name)
        assert map_array(first / "features.safetensors", name).tobytes() == own.tobytes()


def test_processes_share_searches_and_end_alike(config, run_sweep, monkeypatch):
    spec = spec_of(config, method="adaptive")
    whole, all_images = run_sweep(spec, "whole", "a")
    monkeypatch.setattr(sweep, "process_count", lambda: 2)
    sampled = 0
    for index in (1, 0):
        monkeypatch.setattr(sweep, "process_index", lambda own=index: own)
        shared, own_images = run_sweep(spec, "shared", "b")
        assert (shared / "cells.json").exists() == (index == 0)
        sampled += own_images
    assert sampled == all_images
    for name in ("features.safetensors", "images.safetensors"):
        assert (shared / name).read_bytes() == (whole / name).read_bytes()


def kill_and_go_on(spec, run_sweep, words, tmp_path, *then):
    """Kill a sweep at its fourth save, in the middle of a cell; it goes on to the same files."""
    whole, all_images = run_sweep(spec, "whole", "a", *then)
    options = [*words, *then, "--spec", spec.model_dump_json(), "--batch=16"]
    options += [f"--out={tmp_path / 'resumed'}", f"--work-dir={tmp_path / 'b'}"]
    kill_at_save("cells.sweep", 4, *options)
    assert not (tmp_path / "resumed").exists()
    resumed, rest = run_sweep(spec, "resumed", "b", *then)
    assert 0 < rest < all_images
    for name in ("features.safetensors", "images.safetensors"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("method", ["adaptive", "grid"])
def test_a_killed_search_goes_on(method, config, run_sweep, words, tmp_path):
    kill_and_go_on(spec_of(config, method=method), run_sweep, words, tmp_path)


def test_a_killed_search_of_trajectories_goes_on(trajectories, run_sweep, words, tmp_path):
    spec, then = trajectories
    kill_and_go_on(spec("adaptive"), run_sweep, words, tmp_path, then)


def test_a_search_without_a_reference_is_one_line(config, words):
    options = type("Options", (), {"max_seconds": None, "reference": None})
    with pytest.raises(InputError, match="--reference: an adaptive search"):
        sweep.Sweep(spec_of(config, method="adaptive"), options)
    sweep.Sweep(spec_of(config, method="grid"), options)


@pytest.mark.parametrize(("select_by", "components"), [("fd", 4), ("fd", None), ("kid", 4)])
def test_a_search_sees_the_metric_that_measures(select_by, components):
    random = np.random.default_rng(0)
    every = [str(row // 2) for row in range(80)]
    counts = resample_counts(every, 10, 0)
    whole = Prompts(every, counts, Divisions(every, 0))
    reference = prepare(random.normal(size=(80, 6)), components, whole)
    features = random.normal(size=(30, 6)) + 0.3
    concepts = [str(row // 2) for row in range(30)]
    metrics = Metrics(
        extractors=[{"name": "effnet_lite0", "input_size": 64, "components": components}],
        bootstrap=10,
        select_by=select_by,
    )
    prompts = Prompts(concepts, counts[:, :30], Divisions(concepts, 0))
    measured = compare(features, reference, metrics.extractor, prompts, metrics.confidence)
    measured = measured[metrics.names[select_by]]
    assert metric_of(reference, select_by)(features) == pytest.approx(measured.value, rel=1e-9)


def test_sweeps_of_earlier_studies_are_valid():
    spec = {"diffusion": {"prediction": "epsilon"}, "cells": []}
    assert SweepSpec.model_validate(spec).search is None
