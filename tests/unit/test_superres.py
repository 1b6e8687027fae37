"""Models of super-resolution: they start as their base, listen to the low-resolution latents."""

import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from project import ROOT
from solvers import solver

from ldm_scaling.cells.sample import load_sampler
from ldm_scaling.diffusion.sampling import sample_latents
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded, run
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.kinds.stages import SCRATCH
from ldm_scaling.latents.pairs import PackedPairs
from ldm_scaling.models import superres
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.denoiser import conditioned
from ldm_scaling.models.denoiser import load as load_unet
from ldm_scaling.models.superres import SuperResolution
from ldm_scaling.models.train import make_plan
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.training.loop import Trainer
from ldm_scaling.workflow.specs.superres import SuperResSpec

FAMILY = Family(
    sizes=["c8"],
    reference_size="c8",
    channel_multipliers=[1, 2],
    res_blocks=1,
    attention=[True, True],
    heads=2,
    norm_groups=4,
)
TRAINING = {
    "images": 96,
    "batch": 8,
    "lr": 0.01,
    "warmup_images": 0,
    "decay": "constant",
    "weight_decay": 0,
    "clip_norm": 1,
    "ema_images": 16,
    "keep": [0.5],
}
SPEC = SuperResSpec(
    stage="superres",
    size="c8",
    seed=0,
    diffusion=Diffusion(prediction="epsilon"),
    training=TRAINING,
)


@pytest.fixture
def base():
    torch.manual_seed(0)
    return build_unet(FAMILY, "c8", (4, 4, 4), 16).eval()


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def pairs(count=10):
    return PackedPairs(numbers(count, 4, 4, 4), numbers(2, 5, 16), numbers(5, 16, seed=1))


def task(base, spec=SPEC, condition=None):
    condition = numbers(10, 4, 4, 4, seed=2) if condition is None else condition
    return SuperResolution(spec, pairs(), condition, base)


def plan(spec):
    return make_plan(spec.training, spec.seed, "superres.lr", spec.training.keep)


def trained(folder, base, max_seconds=None):
    with WorkDir(folder, "test") as work:
        trainer = Trainer(
            task(base),
            plan(SPEC),
            work,
            "test",
        )
        trainer.run(Slice(max_seconds))
    return {name: value.clone() for name, value in trainer.averaged.items()}, trainer.state


# ------------------------------------------------------------ the network


@torch.no_grad()
def test_at_first_the_low_resolution_latents_change_nothing(base):
    inputs = [torch.from_numpy(numbers(3, 4, 4, 4, seed=seed)) for seed in range(3)]
    steps, text = torch.tensor([999, 500, 19]), torch.from_numpy(numbers(3, 5, 16))
    expected = base(inputs[0], steps, text, return_dict=False)[0]
    network = conditioned(base).eval()
    assert network.config.in_channels == 8 and network.config.out_channels == 4
    for low in (inputs[1], 100 * inputs[2]):
        found = network(torch.cat([inputs[0], low], dim=1), steps, text, return_dict=False)[0]
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_training_makes_it_listen(base, tmp_path):
    weights, state = trained(tmp_path, base)
    network = conditioned(base)
    network.load_state_dict(weights)
    new = weights["conv_in.weight"][:, 4:]
    assert new.abs().max() > 1e-4
    assert list(state.kept) == ["0.5"]
    assert not torch.equal(state.kept["0.5"]["conv_in.weight"][:, 4:], new)


def test_latents_that_are_given_away_are_learned(base, tmp_path):
    # the condition is the clean latents themselves, from which and the noisy ones the noise follows
    spec = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"images": 600})})

    def loss(condition):
        own = task(base, spec, condition)
        with WorkDir(tmp_path / str(len(list(tmp_path.iterdir()))), "test") as work:
            Trainer(
                own,
                plan(spec),
                work,
                "test",
            ).run(Slice(None))
        rows = np.arange(400) % 10
        with torch.no_grad():
            return own.losses(own.module, rows, 10_000 + np.arange(400), torch.device("cpu")).mean()

    assert loss(numbers(10, 4, 4, 4)) < 0.9 * loss(np.zeros((10, 4, 4, 4), np.float32))


def test_an_interrupted_training_is_the_undisturbed_one_bit_by_bit(base, tmp_path):
    undisturbed, _ = trained(tmp_path / "a", base)
    for _ in range(7):  # the slice is over after each step, and the sixth's weights are kept
        with pytest.raises(SliceEnded):
            trained(tmp_path / "b", base, max_seconds=0)
    resumed, _ = trained(tmp_path / "b", base)
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])


def test_draws_are_those_of_the_image_whatever_the_batch(base):
    own, rows, device = task(base), np.arange(6), torch.device("cpu")
    whole = own.losses(own.module, rows, rows + 100, device)
    parts = [own.losses(own.module, rows[r], rows[r] + 100, device) for r in ([0, 1], [2, 3, 4, 5])]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "condition", "message"),
    [
        ((4, 8, 8), None, "--base: its latents are not of shape"),
        ((4, 4, 4), (9, 4, 4, 4), "--condition: .* of 10 images; delete the file and run again"),
        ((4, 4, 4), (10, 4, 2, 2), "--condition"),
    ],
)
def test_latents_of_others_are_one_line(shape, condition, message):
    other = build_unet(FAMILY, "c8", shape, 16)
    with pytest.raises(InputError, match=message):
        task(other, condition=None if condition is None else numbers(*condition))


# ------------------------------------------------------------ sampling


@torch.no_grad()
def test_sampling_is_ddims_formula_beside_the_condition(base):
    network = conditioned(base).eval()
    torch.nn.init.normal_(network.conv_in.weight, std=0.1, generator=torch.manual_seed(0))
    noise, low = (torch.from_numpy(numbers(2, 4, 4, 4, seed=seed)) for seed in (5, 6))
    text = torch.from_numpy(numbers(2, 5, 16))
    steps = solver("ddim", 4, SPEC.diffusion)
    found = sample_latents(network, steps, noise, text, text[0], 1.0, [], low)
    x, alphas = noise, torch.cat([steps.alphas_cumprod, torch.ones(1)])
    for step, following in zip((999, 749, 499, 249), (749, 499, 249, -1), strict=True):
        eps = network(torch.cat([x, low], dim=1), step, text, return_dict=False)[0]
        a, b = alphas[step], alphas[following]
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-4)


class Beside(torch.nn.Module):
    """Predicts 0.3 x - 0.5 y, of noisy pixels x beside low-resolution ones y."""

    config = SimpleNamespace(in_channels=2, out_channels=1, time_cond_proj_dim=None)
    device = torch.device("cpu")

    def forward(self, latents, step, text, return_dict=False, **_):
        """The prediction for [B, 2, h, w]."""
        noisy, low = latents.chunk(2, dim=1)
        return (0.3 * noisy - 0.5 * low,)


@torch.no_grad()
def test_two_pixels_are_enlarged_as_by_hand():
    noisy, low, text = [0.7, -1.2], [0.4, 2.0], torch.zeros(1, 5, 16)
    steps = solver("ddim", 2, SPEC.diffusion)
    noise, condition = (torch.tensor(pixels).view(1, 1, 1, 2) for pixels in (noisy, low))
    found = sample_latents(Beside(), steps, noise, text, text[0], 1.0, [], condition)
    beta = [(0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * t / 999) ** 2 for t in range(1000)]
    alphas = [math.prod(1 - one for one in beta[: t + 1]) for t in range(1000)] + [1.0]
    for x, y, pixel in zip(noisy, low, found.flatten().tolist(), strict=True):
        for here, there in ((999, 499), (499, -1)):
            eps = 0.3 * x - 0.5 * y
            clean = (x - math.sqrt(1 - alphas[here]) * eps) / math.sqrt(alphas[here])
            x = math.sqrt(alphas[there]) * clean + math.sqrt(1 - alphas[there]) * eps
        assert pixel == pytest.approx(x, rel=1e-4)


# ------------------------------------------------------------ the commands


@pytest.fixture
def files(base, tmp_path):
    """A pretrained model's folder, latents, text and what conditions."""
    base.save_pretrained(tmp_path / "base" / "unet")
    write_arrays(tmp_path / "latents", {"latents": numbers(10, 4, 4, 4)}, "a")
    write_arrays(tmp_path / "low", {"latents": numbers(10, 4, 4, 4, seed=2)}, "b")
    text = {"text": numbers(2, 5, 16), "empty": numbers(5, 16, seed=1)}
    write_arrays(tmp_path / "text", text, "c")
    return tmp_path


def train(files, monkeypatch, spec=SPEC, *more):
    words = ["superres", "--spec", spec.model_dump_json(), "--latents", files / "latents"]
    words += ["--text", files / "text", "--condition", files / "low", "--out", files / "out"]
    words += ["--work-dir", files / "work", *more]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    run(superres.main)
    return load_unet(files / "out")


def test_the_command_writes_a_model_that_samplers_load(files, monkeypatch):
    found = train(files, monkeypatch, SPEC, "--base", files / "base")
    assert found.config.in_channels == 8
    summary = json.loads((files / "out" / "summary.json").read_text())
    assert summary["status"] == "ok" and summary["images"] == 96
    assert load_unet(files / "out", trained=0.5).config.in_channels == 8
    options = SimpleNamespace(model=files / "out", condition=None, text=files / "text", gpus=0)
    options.autoencoder, options.autoencoder_revision = "pretrained/autoencoder-emoji32", None
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match="--condition: is needed by"):
        load_sampler(options, SPEC.diffusion, 2)
    options.condition = files / "low"
    with pytest.raises(InputError, match="low has 10 prompts, fewer than 11"):
        load_sampler(options, SPEC.diffusion, 11)
    sampler, _ = load_sampler(options, SPEC.diffusion, 10)
    empty = torch.from_numpy(numbers(5, 16, seed=1))
    assert torch.equal(sampler.text([7, 3]), empty.expand(2, -1, -1))
    options.model = files / "base"
    with pytest.raises(InputError, match="--condition: means nothing to"):
        load_sampler(options, SPEC.diffusion, 10)


def test_from_scratch_needs_no_base_and_depends_on_the_seed(files, monkeypatch, capsys):
    spec = SPEC.model_copy(update={"stage": SCRATCH, "family": FAMILY})
    first = train(files, monkeypatch, spec)
    second = train(files, monkeypatch, spec.model_copy(update={"seed": 1}))
    assert not torch.equal(first.conv_in.weight, second.conv_in.weight)
    for own, more in ((spec, ("--base", files / "base")), (SPEC, ())):
        with pytest.raises(SystemExit) as stopped:
            train(files, monkeypatch, own, *more)
        assert stopped.value.code == 2
        assert f"--base: {own.stage} " in capsys.readouterr().err
