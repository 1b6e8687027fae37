"""Noise that is made for a score: distributions, their fitting, ascent for each image, costs."""

from copy import deepcopy

import networks as stand_ins
import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from cleanfid.resize import make_resizer
from slices import StopsAfter
from studies import put
from torch.utils.flop_counter import FlopCounterMode

from ldm_scaling.cells.features import load_extractor
from ldm_scaling.cells.invert import Inversion
from ldm_scaling.cells.inverted import InvertedSampler, ascend, norm_penalty
from ldm_scaling.cells.metrics.clip_like import Map
from ldm_scaling.cells.metrics.clip_like import Scorer as FittedScorer
from ldm_scaling.cells.sample import LatentSampler
from ldm_scaling.cells.scores import CaptionScorer
from ldm_scaling.cells.verifier import Verifier, load_verifier, of_features, resized
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.kinds.noises import CAPTION, FITTED, GLOBAL
from ldm_scaling.latents.autoencoder import build as build_autoencoder
from ldm_scaling.latents.autoencoder import to_uint8
from ldm_scaling.models import noise as noises
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.noise import divergence, drawn
from ldm_scaling.models.students import make_student
from ldm_scaling.models.train import make_plan
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.fields import Optimisation, StudyError
from ldm_scaling.study.inversion import Ascent
from ldm_scaling.study.latents import Autoencoder
from ldm_scaling.study.load import load_study
from ldm_scaling.study.metrics import FeatureNetwork, Scorer
from ldm_scaling.training.devices import Switches
from ldm_scaling.training.loop import Trainer
from ldm_scaling.workflow.specs.inversion import InvertedSpec, InvertSpec
from ldm_scaling.workflow.specs.seen import ScoreSpec

SHAPE, KL = (1, 2, 2), 0.5
FITTING = Optimisation(
    images=12800,
    batch=64,
    lr=0.03,
    warmup_images=640,
    decay="cosine",
    weight_decay=0,
    clip_norm=100,
    ema_images=640,
)
SECTION = {
    **FITTING.model_dump(),
    "guidance": 6,
    "width": 8,
    "kl_weight": KL,
    "ascent": {"iterations": [3, 1], "lr": 2, "clip_norm": 0.1, "norm_weight": 0.01},
}


class Toy:
    """A linear student x = A z + b and a score -|x - target|^2 / 2 by caption, with its optimum."""

    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        self.student = torch.randn(4, 4, generator=generator)
        self.offset = torch.randn(4, generator=generator)
        self.targets = 2 * torch.randn(3, 4, generator=generator)

    def text(self, indices):
        """One token a caption, which says its number."""
        return torch.eye(3)[torch.from_numpy(np.asarray(indices))][:, None]

    def score(self, noise, text, indices):
        images = noise.flatten(1) @ self.student.T + self.offset
        return -0.5 * (images - self.targets[torch.from_numpy(indices)]).square().sum(dim=1)

    def optimum(self, targets):
        """(A'A + w) mu = A'(target - b) and sigma^2 = w / (w + diag A'A), set to 0 by calculus."""
        gram = self.student.T @ self.student
        right = self.student.T @ (targets - self.offset).T
        mean = torch.linalg.solve(gram + KL * torch.eye(4), right).T
        return mean, (KL / (KL + gram.diag())).sqrt()


def fit(path, kind, time_slice=None, **changed):
    """The trainer of a distribution of the toy's noise."""
    AcceleratorState._reset_state(reset_partial_state=True)
    toy, settings = Toy(), FITTING.model_copy(update=changed)
    task = Inversion(noises.build(kind, SHAPE, 3, 32, 0), toy.text, toy.score, 3, 5, KL)
    with WorkDir(path, "test") as work:
        plan = make_plan(settings, 1, "inversion.lr")
        trainer = Trainer(task, plan, work, "test", Switches(precision="no"))
        trainer.run(time_slice or Slice(None))
    return trainer


def fitted(trainer):
    """Means and deviations [3, 4] of the three captions."""
    trainer.task.module.load_state_dict(trainer.averaged)
    with torch.no_grad():
        mean, log_deviation = trainer.task.module(Toy().text(range(3)))
    return mean.flatten(1), log_deviation.exp().flatten(1)


def test_the_global_distribution_is_the_best_for_the_mean_of_all_targets(tmp_path):
    toy = Toy()
    mean, deviation = toy.optimum(toy.targets.mean(dim=0))
    ours = fitted(fit(tmp_path, GLOBAL))
    torch.testing.assert_close(ours[0], mean.expand(3, 4), atol=0.1, rtol=0)
    torch.testing.assert_close(ours[1], deviation.expand(3, 4), atol=0.05, rtol=0)


def test_each_captions_distribution_is_the_best_for_its_own_target(tmp_path):
    toy = Toy()
    means, deviation = toy.optimum(toy.targets)
    ours = fitted(fit(tmp_path, CAPTION))
    torch.testing.assert_close(ours[0], means, atol=0.15, rtol=0)
    torch.testing.assert_close(ours[1], deviation.expand(3, 4), atol=0.08, rtol=0)
    assert (means - means.mean(dim=0)).abs().max() > 0.5  # which one distribution cannot be


@pytest.mark.parametrize("kind", FITTED)
def test_an_interrupted_fit_is_the_undisturbed_one_bit_by_bit(tmp_path, kind):
    brief = {"images": 640}
    undisturbed = fit(tmp_path / "a", kind, **brief, warmup_images=64)
    with pytest.raises(SliceEnded):
        fit(tmp_path / "b", kind, StopsAfter(4), **brief, warmup_images=64)
    resumed = fit(tmp_path / "b", kind, **brief, warmup_images=64)
    assert undisturbed.state.log == resumed.state.log
    for name, value in undisturbed.averaged.items():
        assert torch.equal(value, resumed.averaged[name])


# ------------------------------------------------------------ distributions


@pytest.mark.parametrize("kind", FITTED)
def test_noise_is_unit_noise_until_it_is_fitted(kind):
    own, noise = noises.build(kind, (4, 3, 3), 5, 8, 0), torch.randn(2, 4, 3, 3)
    text = torch.randn(2, 7, 5)
    assert torch.equal(drawn(own, noise, text), noise)
    assert torch.equal(divergence(*own(text)), torch.zeros(2))


def test_the_divergence_is_torchs_own():
    mean, log_deviation = torch.randn(2, 4, 3, 3), 0.5 * torch.randn(2, 4, 3, 3)
    unit = torch.distributions.Normal(0.0, 1.0)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, log_deviation.exp()), unit
    )
    torch.testing.assert_close(divergence(mean, log_deviation), theirs.sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("kind", FITTED)
def test_a_saved_distribution_gives_the_same_noise(tmp_path, kind):
    own, path = noises.build(kind, (4, 3, 3), 5, 8, 0), tmp_path / noises.FILE
    state = {name: torch.randn_like(value) for name, value in own.state_dict().items()}
    own.load_state_dict(state)
    write_arrays(path, {name: value.numpy() for name, value in state.items()}, "x")
    read, noise, text = noises.load(path, (4, 3, 3)), torch.randn(2, 4, 3, 3), torch.randn(2, 7, 5)
    assert read.kind == kind
    assert torch.equal(drawn(read, noise, text), drawn(own, noise, text))
    with pytest.raises(InputError, match=r"is no noise of latents \[4, 2, 2\]; delete it"):
        noises.load(path, (4, 2, 2))


# ------------------------------------------------------------ ascent


def climb(noise, iterations, lr=0.1, target=3.0, clip=1e9, weight=0.0):
    """The images of ascent on -|z - target|^2 / 2, where an image is its noise."""
    settings = Ascent(iterations=[1], lr=lr, clip_norm=clip, norm_weight=weight)

    def scores(pixels):
        return -0.5 * (pixels - target).square().flatten(1).sum(dim=1)

    return ascend(lambda own: own, scores, noise, settings, iterations)


def test_a_step_of_ascent_is_nesterovs():
    noise = torch.randn(2, 1, 2, 2)
    first = noise + 0.1 * 1.9 * (3 - noise)
    torch.testing.assert_close(climb(noise, 1), first)
    velocity = 0.9 * (3 - noise) + (3 - first)
    second = first + 0.1 * ((3 - first) + 0.9 * velocity)
    torch.testing.assert_close(climb(noise, 2), second)
    torch.testing.assert_close(climb(noise, 100), torch.full_like(noise, 3), atol=0.02, rtol=0)


def test_ascent_keeps_the_best_iterate_and_each_image_its_own():
    noise = torch.randn(3, 1, 2, 2)
    noise[1] = 3.0  # the best already
    assert torch.equal(climb(noise, 3, lr=5), noise)  # every step overshoots
    together = climb(noise, 5, clip=0.5)
    for row in range(3):
        assert torch.equal(climb(noise[row : row + 1], 5, clip=0.5), together[row : row + 1])
    assert torch.equal(together[1], noise[1])
    norms = (climb(noise, 1, clip=0.5) - noise).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms[[0, 2]], torch.full((2,), 0.1 * 1.9 * 0.5))


def test_the_penalty_wants_the_likeliest_norm():
    noise = torch.randn(1, 4, 3, 3)
    noise = (noise * (35**0.5 / noise.norm())).requires_grad_(True)
    (gradient,) = torch.autograd.grad(norm_penalty(noise).sum(), noise)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-6, rtol=0)
    assert norm_penalty(1.1 * noise) > norm_penalty(noise) < norm_penalty(0.9 * noise)


# ------------------------------------------------------------ the score


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)


def test_images_are_resized_as_the_extractor_has_them(images):
    resize = make_resizer("PIL", False, "bicubic", (48, 48))
    theirs = np.stack([resize(image) for image in images.transpose(0, 2, 3, 1)])
    ours = 255 * resized(torch.from_numpy(images) / 255, 48)
    np.testing.assert_allclose(ours.permute(0, 2, 3, 1), theirs, atol=1e-2)


def test_the_verifier_is_the_clip_like_score_with_a_gradient(images):
    generator = np.random.default_rng(1)
    own = FeatureNetwork(name="effnet_lite0", input_size=32)
    maps = Map(generator.normal(size=1280), np.ones(1280), generator.normal(size=(1280, 6)))
    captions = generator.normal(size=(3, 6))
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    theirs = FittedScorer(maps, captions)(load_extractor(own)(images))
    from ldm_scaling.cells.extractors.effnet_lite0 import load

    verifier = Verifier(of_features(load("cpu"), 32, maps, "cpu"), lambda _: torch.empty(0))
    pixels = (torch.from_numpy(images) / 255).requires_grad_(True)
    scores = verifier.score(pixels, torch.from_numpy(captions).float())
    np.testing.assert_allclose(scores.detach(), theirs, atol=1e-4)
    (gradient,) = torch.autograd.grad(scores.sum(), pixels)
    with torch.no_grad():
        moved = verifier.score(pixels + 1e-3 * gradient.sign(), torch.from_numpy(captions).float())
    expected = 1e-3 * gradient.abs().sum(dim=(1, 2, 3))
    assert (moved > scores).all()
    torch.testing.assert_close((moved - scores).detach(), expected, rtol=0.5, atol=0)


def test_a_scorer_of_others_is_a_verifier_too(images, tmp_path):
    captions = ["a red heart", "grinning cat", "a red heart"]
    scorer = Scorer(name="clip_score", pretrained=str(stand_ins.clip(tmp_path / "clip")))
    verifier, _ = load_verifier(ScoreSpec(scorer=scorer), None, None, "cpu")
    embedded = verifier.embed(captions)
    pixels = (torch.from_numpy(images) / 255).requires_grad_(True)
    scores = verifier.score(pixels, embedded)
    theirs = CaptionScorer(scorer, captions)(images, slice(None))
    np.testing.assert_allclose(scores.detach(), theirs, atol=1e-5)
    (gradient,) = torch.autograd.grad(scores.sum(), pixels)
    assert gradient.abs().sum() > 0 and torch.equal(embedded[0], embedded[2])


# ------------------------------------------------------------ sampling


@pytest.fixture(scope="module")
def sampler():
    torch.manual_seed(0)
    family = Family(
        sizes=["c8"],
        reference_size="c8",
        channel_multipliers=[1, 2],
        attention=[True, True],
        res_blocks=1,
        heads=2,
        norm_groups=4,
    )
    student = make_student(build_unet(family, "c8", (4, 4, 4), 6)).eval().requires_grad_(False)
    keys = {"downsampling": 4, "latent_channels": 4, "width": 8, "images": 1, "batch": 1, "lr": 1.0}
    autoencoder = build_autoencoder(Autoencoder(pretrained=None, **keys))
    text = np.random.default_rng(0).normal(size=(8, 5, 6)).astype(np.float32)
    own = autoencoder.eval().requires_grad_(False)
    return LatentSampler(student, own, Diffusion(prediction="v_prediction"), text, text[0])


@pytest.fixture
def study(pocket_config):
    put(pocket_config, "inversion", deepcopy(SECTION))
    put(pocket_config, "metrics.judge", {"extractor": {"name": "squeezenet", "input_size": 64}})
    return pocket_config


def test_every_image_begins_with_the_noise_of_its_row(sampler, study):
    shift = noises.build(GLOBAL, (4, 4, 4), 6, 0, 0).requires_grad_(False)
    shift.own[: 4 * 16] = 0.7

    def verify(_):
        return Verifier(lambda pixels: pixels.flatten(1), lambda _: torch.empty(0)), torch.ones(
            8, 3 * 16 * 16
        )

    maker = InvertedSampler(sampler, {GLOBAL: shift}, verify)
    none, moved, _, first, third = InvertedSpec.of(load_study(study)).cells
    plain = maker.images(none, range(4))[0]
    student = none.model_copy(update={"noise": None})
    assert np.array_equal(plain, sampler.images(student, range(4))[0])  # today's image
    with torch.no_grad():
        noise = sampler.noise(range(4), none.seed) + 0.7
        theirs = to_uint8(sampler.one_step(noise, sampler.text(range(4)), none))
    assert np.array_equal(maker.images(moved, range(4))[0], theirs)
    lit = [maker.images(cell, range(4))[0].astype(float).mean() for cell in (none, first, third)]
    assert lit[0] < lit[1] < lit[2]  # the verifier wants bright images
    alone = maker.images(third, [2])[0].astype(int)
    assert np.abs(alone - maker.images(third, range(4))[0][2:3]).max() <= 1  # rounding
    assert [maker.evaluations(cell) for cell in (none, moved, first, third)] == [1, 1, 3, 7]
    with pytest.raises(InputError, match="has no noise that was made for a score"):
        maker.images(student, range(4))


def test_a_backward_pass_to_the_noise_costs_about_a_forward_pass(sampler, study):
    cell = InvertedSpec.of(load_study(study)).cells[0]
    text, noise = sampler.text(range(2)), sampler.noise(range(2), 0)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        sampler.one_step(noise, text, cell)
    with FlopCounterMode(display=False) as both:
        own = noise.requires_grad_(True)
        torch.autograd.grad(sampler.one_step(own, text, cell).sum(), own)
    assert 1.85 < both.get_total_flops() / forward.get_total_flops() < 2.15


# ------------------------------------------------------------ the study


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inversion.steps": 4}, r"inversion.steps: over 4 steps inversion is known to fail: .*"),
        ({"distill": None}, "inversion: only students of one step can be inverted, and distill is"),
        (
            {"metrics.clip_like": None, "metrics.judge": None},
            "inversion: noise is made for a score, and metrics has",
        ),
        ({"metrics.judge": None}, "metrics.judge: noise is judged by another score than the one"),
        ({"inversion.guidance": 5}, "inversion.guidance: students do not learn 5; add it to"),
        ({"inversion.sizes": ["c9"]}, "inversion.sizes: c9 is not in family.sizes"),
        ({"inversion.seeds": [3]}, "inversion.seeds: "),
    ],
)
def test_what_cannot_be_inverted_is_refused_in_one_line(study, changed, message):
    for key, value in changed.items():
        put(study, key, value)
    with pytest.raises(StudyError, match=f"^config key {message}") as error:
        load_study(study)
    assert "\n" not in str(error.value)


def test_cells_differ_by_their_noise_alone_and_are_named_by_it(study):
    cells = InvertedSpec.of(load_study(study)).cells
    ends = ["none", "global", "caption", "ascent1", "ascent3"]
    assert [cell.name for cell in cells] == [f"steps1_guidance6_noise-{end}" for end in ends]
    made = {"noise", "ascent", "verifier"}
    assert len({cell.model_dump_json(exclude=made) for cell in cells}) == 1


def test_a_fit_depends_on_nothing_that_only_sampling_reads(study):
    before = InvertSpec.of(load_study(study), GLOBAL, "c12", 0)
    put(study, "inversion.ascent", None)
    put(study, "inversion.width", 99)
    put(study, "inversion.sizes", ["c12"])
    assert InvertSpec.of(load_study(study), GLOBAL, "c12", 0) == before
    assert InvertSpec.of(load_study(study), CAPTION, "c12", 0).width == 99
