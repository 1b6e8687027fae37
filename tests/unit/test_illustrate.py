"""What rule illustrate samples: equal to the sweep's images, at settings found by hand."""

import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from ldm_scaling.cells import illustrate, sweep
from ldm_scaling.cells.adopted import TooLarge
from ldm_scaling.cells.illustrate import (
    ALPHAS,
    at_equal_cost,
    between_prompts,
    searched,
    settings_bought,
)
from ldm_scaling.cells.sample import LatentSampler
from ldm_scaling.figures import equal_cost_samples, prompt_interpolation
from ldm_scaling.figures.equal_cost_samples import NOTHING
from ldm_scaling.jobs.arrays import map_array, read_header, write_arrays
from ldm_scaling.jobs.cli import run
from ldm_scaling.jobs.tables import FAMILY, MEASURED
from ldm_scaling.latents.autoencoder import build, load, save_model
from ldm_scaling.models import denoiser
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.latents import Autoencoder
from ldm_scaling.study.sampling import Setting
from ldm_scaling.workflow.specs.cells import CellSpec, IllustrateSpec, SweepSpec

DIFFUSION = Diffusion(prediction="v_prediction", train_timesteps=20)
TEXT_WIDTH = 16
SPEC = IllustrateSpec(
    size="c8",
    training_seed=0,
    diffusion=DIFFUSION,
    setting=Setting(sampler="ddpm", schedule="trailing", steps=4, guidance=3),
    seed=5,
    prompts=[0, 2, 1],
    budgets=[0.1, 1, 5, 100],
    select_by="fd_x",
    steps=[4, 16],
    guidance=[2.5, 6],
)
BOUGHT = [(0, math.nan), (4, 2.5), (20, 6), (20, 6)]  # at a normalized cost of 0.25; 20 at most


def family():
    return pd.DataFrame([("c8", 8, 105_000, 0.5, 0.25), ("c16", 16, 1, 2.0, 1.0)], columns=FAMILY)


def metrics():
    """What was measured: at 4 steps guidance 2.5 is the best of the search, at 16 it is 6."""
    grid = [(4, 2.5, 10), (4, 6, 11), (16, 2.5, 12), (16, 6, 9)]
    row = dict.fromkeys(MEASURED, 1.0) | {"status": "ok", "metric": "fd_x"}
    rows = [row | {"steps": s, "guidance": g, "value": value} for s, g, value in grid]
    others = [row | {"steps": 4, "value": 5.0} | other for other in OTHERS]
    return pd.DataFrame([*others, *rows])[MEASURED]


OTHERS = [  # lower, but another metric, a kept checkpoint, not of the search, failed
    {"guidance": 6, "metric": "kid_x"},
    {"guidance": 6, "trained": 0.5},
    {"guidance": 3},
    {"guidance": 6, "steps": 3},
    {"guidance": 6, "status": "diverged"},
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with an untrained model and autoencoder, embeddings and tables."""
    folder = tmp_path_factory.mktemp("illustrate")
    torch.manual_seed(0)
    sizes = {"sizes": ["c8"], "reference_size": "c8", "channel_multipliers": [1, 2]}
    layout = {"attention": [True, True], "res_blocks": 1, "heads": 2, "norm_groups": 4}
    unet = build_unet(Family(**sizes, **layout), "c8", (4, 4, 4), TEXT_WIDTH)
    settings = {"downsampling": 4, "latent_channels": 4, "width": 8, "images": 1, "batch": 1}
    autoencoder = build(Autoencoder(pretrained=None, lr=1.0, **settings))
    for model, name in ((unet, "model/unet"), (autoencoder, "autoencoder")):
        save_model(model, folder / name, "diffusion_pytorch_model.safetensors")
    text = np.random.default_rng(0).normal(size=(4, 5, TEXT_WIDTH)).astype(np.float16)
    write_arrays(folder / "text", {"text": text[:3], "empty": text[3]}, "abc")
    metrics().to_csv(folder / "metrics.csv", index=False)
    family().to_csv(folder / "family.csv", index=False)
    return folder


@pytest.fixture
def sampler(inputs):
    unet = denoiser.load(inputs / "model")
    autoencoder = load(str(inputs / "autoencoder"), None)
    text, empty = (map_array(inputs / "text", name) for name in ("text", "empty"))
    return LatentSampler(unet, autoencoder, DIFFUSION, text, empty)


def command(module, spec, inputs, monkeypatch, *words):
    paths = {"model": "model", "autoencoder": "autoencoder", "text": "text"}
    options = [f"--{name}={inputs / path}" for name, path in paths.items()]
    monkeypatch.setattr(sys, "argv", ["x", "--spec", spec.model_dump_json(), *options, *words])
    run(module.main)


def illustrated(spec, inputs, monkeypatch, out, *words):
    tables = [f"--{name}={inputs / f'{name}.csv'}" for name in ("metrics", "family")]
    command(illustrate, spec, inputs, monkeypatch, *tables, f"--out={out}", *words)
    return out


def test_settings_are_those_found_by_hand():
    bought = settings_bought(SPEC, searched(SPEC, metrics()), family())
    assert bought[0][0] == 0 and math.isnan(bought[0][1])
    assert bought[1:] == BOUGHT[1:]


def test_the_images_of_a_cell_are_the_sweeps_bit_by_bit(inputs, tmp_path, monkeypatch):
    cell = {
        "sampler": "ddpm",
        "schedule": "trailing",
        "n": 3,
        "seed": 5,
        "extractors": [{"name": "effnet_lite0", "input_size": 32}],
    }
    cells = [CellSpec(steps=4, guidance=scale, **cell) for scale in (2.5, 3)]
    out, work = f"--out={tmp_path}", f"--work-dir={tmp_path / 'work'}"
    command(sweep, SweepSpec(diffusion=DIFFUSION, cells=cells), inputs, monkeypatch, out, work)
    spec = SPEC.model_copy(update={"prompts": [0, 1, 2]})
    file = illustrated(spec, inputs, monkeypatch, tmp_path / "sub" / "images")
    expected = map_array(tmp_path / "images.safetensors", "steps4_guidance2.5")
    assert np.array_equal(map_array(file, "budget1"), expected)
    assert len(np.unique(expected.reshape(3, -1), axis=0)) == 3
    # the ends are the two prompts, the first from its own noise
    fixed = map_array(tmp_path / "images.safetensors", "steps4_guidance3")
    between = map_array(file, "interpolation")
    assert np.abs(between[0].astype(int) - fixed[0]).max() <= 1  # rounding in another batch
    assert np.abs(between[-1].astype(int) - fixed[1]).max() > 1


def test_the_file_says_what_it_holds(inputs, tmp_path, monkeypatch):
    file = illustrated(SPEC, inputs, monkeypatch, tmp_path / "images")
    assert map_array(file, "budgets").tolist() == SPEC.budgets
    assert map_array(file, "steps").tolist() == [0, 4, 20, 20]
    assert map_array(file, "guidance").tolist()[1:] == [2.5, 6, 6]
    assert map_array(file, "alphas").tolist() == [1, 0.8, 0.5, 0.2, 0]
    shapes = [map_array(file, f"budget{name}").shape for name in ("0.1", "1", "5", "100")]
    assert shapes == [(0, 3, 1, 1)] + 3 * [(3, 3, 16, 16)]
    assert np.array_equal(map_array(file, "budget5"), map_array(file, "budget100"))
    assert map_array(file, "interpolation").shape == (5, 3, 16, 16)
    again = illustrated(SPEC, inputs, monkeypatch, tmp_path / "again")
    assert again.read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "images"]


def test_prompts_keep_their_own_noise_in_any_order(sampler):
    images = at_equal_cost(sampler, SPEC, BOUGHT, "")["budget1"]
    turned = SPEC.model_copy(update={"prompts": [1, 0, 2]})
    others = at_equal_cost(sampler, turned, BOUGHT, "")["budget1"]
    assert np.abs(images.astype(int) - others[[1, 2, 0]]).max() <= 1


def test_embeddings_between_are_weighted_sums_from_one_noise(sampler, monkeypatch):
    seen = []

    def images_of(text, rows, setting, seed):
        seen.append((text, rows, setting, seed))
        return np.zeros((len(rows), 3, 1, 1), np.uint8), True

    monkeypatch.setattr(sampler, "images_of", images_of)
    between_prompts(sampler, SPEC)
    ((text, rows, setting, seed),) = seen
    first, _, second = sampler.text([0, 1, 2])
    assert (rows, setting, seed) == ([0] * 5, SPEC.setting, SPEC.seed)
    for alpha, embedding in zip(ALPHAS, text, strict=True):
        torch.testing.assert_close(embedding, torch.lerp(second, first, alpha))
    assert torch.equal(text[0], first) and torch.equal(text[-1], second)


def test_images_that_are_not_finite_are_left_out(sampler):
    for parameter in sampler.autoencoder.parameters():
        parameter.mul_(torch.nan)
    assert between_prompts(sampler, SPEC) == "diverged"
    assert_failed(at_equal_cost(sampler, SPEC, BOUGHT, ""), "diverged")


def assert_failed(images, status):
    """Only the budget that does not buy a step has an array, an empty one."""
    assert len(images.pop("budget0.1")) == 0
    assert images == dict.fromkeys(("budget1", "budget5", "budget100"), status)


def test_where_no_guidance_was_chosen_nothing_is_sampled(sampler, monkeypatch):
    rows = searched(SPEC, metrics().assign(status="diverged"))
    failed = settings_bought(SPEC, rows, family())
    assert [steps for steps, _ in failed] == [0, 4, 20, 20]
    monkeypatch.setattr(sampler, "images_of", None)
    assert_failed(at_equal_cost(sampler, SPEC, failed, "out_of_memory"), "out_of_memory")


def limited(make, most):
    """What makes images, on a device that has room for so many of them."""

    def images_of(text, rows, *rest):
        if len(rows) > most:
            raise torch.OutOfMemoryError
        return make(text, rows, *rest)

    return images_of


def test_fewer_images_are_made_at_a_time_where_memory_does_not_suffice(sampler, monkeypatch):
    whole = at_equal_cost(sampler, SPEC, BOUGHT, "") | {"between": between_prompts(sampler, SPEC)}
    monkeypatch.setattr(sampler, "images_of", limited(sampler.images_of, 1))
    single = at_equal_cost(sampler, SPEC, BOUGHT, "") | {"between": between_prompts(sampler, SPEC)}
    for name, images in whole.items():
        assert images.shape == single[name].shape
        if len(images):  # except for rounding in another batch
            assert np.abs(images.astype(int) - single[name]).max() <= 1


@pytest.mark.parametrize("loaded", [True, False])
def test_what_takes_more_memory_than_there_is_is_noted_in_the_file(
    loaded, inputs, tmp_path, monkeypatch
):
    """The pipeline does not fit, or not one of its images; `TooLarge` samples any model."""
    if loaded:
        monkeypatch.setattr(LatentSampler, "images_of", limited(None, 0))
    else:
        monkeypatch.setattr(illustrate, "load_sampler", lambda *_: (TooLarge(), ["abc"]))
    file = illustrated(SPEC, inputs, monkeypatch, tmp_path / "images")
    notes = read_header(file)["__metadata__"]
    del notes["fingerprint"]
    failed = ("budget1", "budget5", "budget100", "interpolation")
    assert notes == dict.fromkeys(failed, "out_of_memory")
    assert {len(map_array(file, name)) for name in ("budget0.1", *failed)} == {0}
    for name in ("equal_cost_samples", "prompt_interpolation"):
        (word,) = {tile for tile in drawn(name, file) if tile != NOTHING}
        assert word == "out of memory"


def drawn(name, file):
    """What stands in the tiles of a figure's column or row of one size."""
    if name == "prompt_interpolation":
        return prompt_interpolation.read_between({"c8": file})["c8"]
    purchases = equal_cost_samples.read_purchases(file, len(SPEC.prompts))
    return [purchase.images for purchase in purchases.values()]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": "c24"}, "size c24 is not in the family table"),
        ({"select_by": "fid"}, "metric fid is not in the table"),
        ({"prompts": [0, 3]}, "text has 3 prompts, fewer than 4"),
        ({"prompts": [0]}, "--spec: prompts"),
        ({"budgets": []}, "--spec: budgets"),
        ({"budgets": [0]}, "--spec: budgets.0"),
    ],
)
def test_a_wrong_spec_is_one_line(changes, says, inputs, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        illustrated(SPEC.model_copy(update=changes), inputs, monkeypatch, tmp_path / "images")
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2
    assert says in error and len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["text", "model", "metrics", "family"])
def test_a_missing_file_is_one_line(option, inputs, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        illustrated(SPEC, inputs, monkeypatch, tmp_path / "images", f"--{option}=nowhere")
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2
    assert "nowhere" in error and len(error.splitlines()) == 1
