"""Stochastic consistency distillation: sub-steps with new noise, and a discriminator."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import DDIMScheduler
from torch.nn.functional import relu

from ldm_scaling.diffusion.consistency import consistency, levels
from ldm_scaling.diffusion.guidance import told_prediction
from ldm_scaling.diffusion.process import process_of
from ldm_scaling.jobs.cli import Slice, SliceEnded
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.models.denoiser import build
from ldm_scaling.models.discriminator import Discriminator
from ldm_scaling.models.distill import ConsistencyDistillation
from ldm_scaling.models.students import EMBEDDING, Teacher, drawn
from ldm_scaling.models.train import make_plan
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.distill import Adversary, Arm, Distill
from ldm_scaling.study.family import Family
from ldm_scaling.tables.choose import described
from ldm_scaling.training.loop import Trainer
from ldm_scaling.workflow.specs.models import DistillSpec

DIFFUSION, CPU = Diffusion(prediction="v_prediction"), torch.device("cpu")
SETTINGS = Distill(
    images=32,
    batch=8,
    lr=0.001,
    warmup_images=0,
    decay="cosine",
    weight_decay=0,
    clip_norm=1,
    ema_images=8,
    guidance=[1, 3],
    teacher_steps=50,
    loss="l2",
)
ADVERSARY = Adversary(weight=0.4, lr=0.01)
FAMILY = Family(
    sizes=["c4"],
    reference_size="c4",
    channel_multipliers=[1, 2],
    res_blocks=1,
    attention=[False, True],
    heads=2,
    norm_groups=2,
)


class Pairs:
    """Latents and captions of random numbers."""

    latent_shape, text_width, empty = (4, 4, 4), 8, torch.zeros(3, 8)
    announce = None

    def __init__(self, count=24, seed=1):
        self.count, generator = count, torch.Generator().manual_seed(seed)
        self.latents = torch.randn(count, 4, 4, 4, generator=generator)
        self.text = torch.randn(count, 3, 8, generator=generator)

    def order(self, seed, start, length):
        """Image numbers in turn."""
        return np.arange(start, start + length) % self.count

    def read(self, indices, device):
        """Latents and captions."""
        return self.latents[indices], self.text[indices]


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return build(FAMILY, "c4", (4, 4, 4), 8).eval().requires_grad_(False)


def task_of(teacher, arm):
    stage = {"stage": "distill_own", "arm": arm} if arm else {}
    spec = DistillSpec(size="c4", seed=0, diffusion=DIFFUSION, distill=SETTINGS, **stage)
    return ConsistencyDistillation(spec, Pairs(), teacher, Pairs(8, seed=2))


def trained(teacher, arm, folder, max_seconds=None, micro_batch=None):
    """The task and its trainer after the whole plan."""
    task = task_of(teacher, arm)
    with WorkDir(folder, "abc") as work:
        trainer = Trainer(task, make_plan(SETTINGS, 0, "lr"), work, "toy")
        trainer._micro = micro_batch or trainer._micro
        trainer.run(Slice(max_seconds))
    return task, trainer


def equal(found, expected):
    assert found.keys() == expected.keys()
    return all(torch.equal(found[name], expected[name]) for name in expected)


# ------------------------------------------------------------ the plain student


def test_without_noise_substeps_and_adversary_it_is_plain_distillation_bit_by_bit(
    teacher, tmp_path
):
    _, plain = trained(teacher, None, tmp_path / "plain")
    _, special = trained(teacher, Arm(eta=0, substeps=1), tmp_path / "special")
    assert equal(special.averaged, plain.averaged)
    _, noisy = trained(teacher, Arm(eta=0.2, substeps=1), tmp_path / "noisy")
    assert not equal(noisy.averaged, plain.averaged)


def test_its_loss_is_that_of_latent_consistency_distillation_bit_by_bit(teacher):
    """Luo et al. 2023, algorithm 1, written out: one DDIM step of the guided teacher."""
    task, rows = task_of(teacher, Arm(eta=0, substeps=1)), np.arange(5)
    process, grid = process_of(DIFFUSION), [0, *levels(1000, 50).tolist()]
    clean, text = Pairs().read(rows, CPU)
    streams = list(row_generators(Stream.DISTILLATION, 0, rows))
    number, scale, noise = drawn(streams, 50, SETTINGS.guidance, (4, 4, 4))
    level, reached = (torch.tensor(grid)[number + later] for later in (1, 0))
    noisy = process.noised(clean, noise, level)
    guided = Teacher(teacher, Pairs())(noisy, level, text, scale)
    further = process.noised(*process.origin_and_noise(noisy, guided, level), reached)
    told = (text, scale, EMBEDDING)
    with torch.no_grad():
        goal = told_prediction(task.target, further, reached, *told)
        goal = consistency(process, further, goal, reached)
        origin = told_prediction(task.module, noisy, level, *told)
        origin = consistency(process, noisy, origin, level)
        expected = (origin - goal).square().mean(dim=(1, 2, 3))
        assert torch.equal(task.losses(task.module, rows, rows, CPU), expected)


# ------------------------------------------------------------ sub-steps

MEAN, SPREAD = 0.5, 0.8


def moments(alphas, at):
    """Mean and variance of x_t, for x_0 of mean MEAN and deviation SPREAD."""
    a = alphas[at].double()
    return float(a.sqrt() * MEAN), float(a * SPREAD**2 + 1 - a)


def exact_output(process, alphas, x, at):
    """The v that stands for E[x_0 | x_t]."""
    a = alphas[at].double()
    slope = a.sqrt() * SPREAD**2 / (a * SPREAD**2 + 1 - a)
    origin = MEAN + slope * (x - a.sqrt() * MEAN)
    return (a.sqrt() * x - origin) / (1 - a).sqrt()


def followed(process, grid, eta):
    """Mean and variance that steps through falling levels lead to, from those of the first one.

    A step is linear in x and in the new noise, so three calls say what it does to both.
    """
    mean, variance = moments(process.alphas, grid[0])
    for here, there in pairwise(grid):
        x, fresh = torch.tensor([0.0, 1.0, 0.0]).double(), torch.tensor([0.0, 0.0, 1.0]).double()
        output = exact_output(process, process.alphas, x, here)
        at = (torch.full((3,), here), torch.full((3,), there))
        base, moved, noised = process.step(x, output, *at, eta, fresh).tolist()
        mean = base + (moved - base) * mean
        variance = (moved - base) ** 2 * variance + (noised - base) ** 2
    return mean, variance


@pytest.mark.parametrize("eta", [0, 0.2, 1])
def test_substeps_keep_the_marginals_of_gaussian_data(eta):
    process, grid = process_of(DIFFUSION), levels(1000, 50).flip(0).tolist()
    errors = []
    for substeps in (1, 2, 4, 20):
        fine = list(range(grid[0], grid[-1] - 1, -20 // substeps))
        found = followed(process, fine, eta)
        expected = moments(process.alphas, grid[-1])
        errors.append(max(abs(own - wanted) for own, wanted in zip(found, expected, strict=True)))
    assert errors[-1] < 0.01 and all(np.diff(errors) < 0)


def test_a_step_with_noise_is_that_of_diffusers():
    process, generator = process_of(DIFFUSION), torch.Generator().manual_seed(0)
    x, output, fresh = (torch.randn(1, 4, 4, 4, generator=generator) for _ in range(3))
    scheduler = DDIMScheduler(**process.scheduler_settings(), clip_sample=False)
    scheduler.set_timesteps(50)  # 20 levels apart
    for eta in (0.0, 0.2, 1.0):
        expected = scheduler.step(output, 519, x, eta=eta, variance_noise=fresh).prev_sample
        at = torch.tensor([519]), torch.tensor([499])
        found = process.step(x, output, *at, eta, fresh)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_each_image_has_its_own_noise_in_each_substep_whatever_the_batch(teacher):
    arm, rows = Arm(eta=0.5, substeps=4, adversary=ADVERSARY), np.arange(6)
    task = task_of(teacher, arm)
    whole = task.losses(task.module, rows, rows + 100, CPU)
    parts = [task.losses(task.module, rows[r], rows[r] + 100, CPU) for r in ([0], [1, 2, 3, 4, 5])]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=1e-5)
    # the same image at two positions and at two sub-steps, where the teacher says nothing
    seen = []
    task._teacher = lambda noisy, *_: torch.zeros_like(noisy)
    step = task._process.step
    task._process.step = lambda *given: seen.append(given[5]) or step(*given)
    task.losses(task.module, np.array([0, 0]), np.array([7, 8]), CPU)
    drawn_noise = torch.cat(seen).flatten(1)
    assert len(seen) == 4 and torch.corrcoef(drawn_noise).fill_diagonal_(0).abs().max() < 0.6


def test_substeps_are_evenly_spaced_and_end_where_the_interval_ends(teacher):
    task = task_of(teacher, Arm(eta=0.2, substeps=4))
    at, step = [], task._process.step
    task._process.step = lambda *given: at.append(given[2:4]) or step(*given)
    task.losses(task.module, np.arange(24), np.arange(24), CPU)
    streams = list(row_generators(Stream.DISTILLATION, 0, range(24)))
    number, *_ = drawn(streams, 50, SETTINGS.guidance, (4, 4, 4))
    first = 20 * (number + 1) - 1
    for step, (here, there) in enumerate(at):
        assert torch.equal(here, first - 5 * step)
        assert torch.equal(there, first - 5 * (step + 1) if step < 3 else (first - 20).clamp(0))
    assert len(at) == 4


# ------------------------------------------------------------ the discriminator


@pytest.mark.parametrize("rank", [None, 2])
def test_a_copy_with_a_new_last_layer_leaves_the_teacher_untouched(teacher, rank):
    before = copy.deepcopy(teacher.state_dict())
    own = Discriminator(ADVERSARY.model_copy(update={"lora_rank": rank}), teacher, 0, 0, 1)
    x, steps, text = torch.full((2, 4, 4, 4), 2.0), torch.tensor([10, 900]), torch.randn(2, 3, 8)
    judged = own.opponent.module
    assert torch.equal(own.scores(x, steps, text), torch.zeros(2))  # it knows nothing yet
    hidden = []
    for network in (teacher, judged):  # up to the last layer it says what the teacher says
        hook = network.conv_out.register_forward_pre_hook(lambda _, x: hidden.append(x[0]))
        network(x, steps, text)
        hook.remove()
    torch.testing.assert_close(hidden[0], hidden[1])
    for _ in range(8):
        own.losses(-x, x, steps, text).sum().backward()
        own.opponent.step(SimpleNamespace(num_processes=1))
    assert own.scores(x, steps, text).min() > 0 > own.scores(-x, steps, text).max()
    assert equal(teacher.state_dict(), before)
    assert not any(weight.requires_grad for weight in teacher.parameters())
    moving = {name for name, weight in judged.named_parameters() if weight.requires_grad}
    half = ("up_blocks.", "conv_norm_out.", "conv_out.")
    assert moving and all(name.startswith(half) for name in moving)
    count = sum(weight.numel() for weight in judged.parameters() if weight.requires_grad)
    total = sum(weight.numel() for weight in teacher.parameters())
    assert count < total / 10 if rank else total / 3 < count < total


def test_each_network_has_the_gradients_of_its_own_loss(teacher):
    own = Discriminator(ADVERSARY, teacher, 0, 0, 1)
    torch.nn.init.normal_(own.opponent.module.conv_out.weight, generator=torch.manual_seed(0))
    real, origin, text = torch.randn(3, 4, 4, 4), torch.randn(3, 4, 4, 4), torch.randn(3, 3, 8)
    steps, weights = torch.tensor([19, 499, 999]), list(own.opponent.detached())
    parameters = dict(own.opponent.module.named_parameters())
    fake = origin.clone().requires_grad_()
    own.losses(fake, real, steps, text).sum().backward()
    found = [parameters[name].grad.clone() for name in weights]
    own.opponent.module.zero_grad()  # from here on of the hinge loss alone
    losses = relu(1 - own.scores(real, steps, text)) + relu(1 + own.scores(origin, steps, text))
    losses.sum().backward()
    torch.testing.assert_close(found, [parameters[name].grad for name in weights])
    alone = origin.clone().requires_grad_()  # and of the student's score alone
    (-0.4 * own.scores(alone, steps, text).sum()).backward()
    torch.testing.assert_close(fake.grad, alone.grad)


def test_an_interrupted_training_with_a_discriminator_is_the_undisturbed_one_bit_by_bit(
    teacher, tmp_path
):
    adversary = ADVERSARY.model_copy(update={"lora_rank": 2})
    arm = Arm(eta=0.2, substeps=2, adversary=adversary)
    task, undisturbed = trained(teacher, arm, tmp_path / "a")
    for _ in range(4):  # the slice is over after each step
        with pytest.raises(SliceEnded):
            trained(teacher, arm, tmp_path / "b", max_seconds=0)
    last, resumed = trained(teacher, arm, tmp_path / "b")
    assert equal(resumed.averaged, undisturbed.averaged)
    assert equal(last.opponent.detached(), task.opponent.detached())
    assert equal(last.target.state_dict(), resumed.averaged)  # it is the student that is averaged
    assert resumed.state.log == undisturbed.state.log
    row = undisturbed.state.log[-1]
    names = {"discriminator_real", "discriminator_held_out", "discriminator_generated"}
    assert names < set(row) and all(0 <= row[name] <= 1 for name in names)
    _, parts = trained(teacher, arm, tmp_path / "c", micro_batch=3)
    for name, value in undisturbed.averaged.items():
        torch.testing.assert_close(parts.averaged[name], value, atol=1e-5, rtol=1e-4)


def test_a_copy_is_the_same_for_the_same_seed(teacher):
    def of(seed):
        own = Adversary(weight=1, lr=0.1, lora_rank=2)
        return Discriminator(own, teacher, seed, 0, 1).opponent.detached()

    assert equal(of(1), of(1)) and not equal(of(1), of(2))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    of(1)
    assert torch.rand(1) == expected  # other random numbers stay as they are


def test_a_student_of_an_arm_is_named_beside_the_plain_one():
    cell = {"size": "c12", "sampler": "lcm", "steps": 2, "guidance": 3.0}
    rows = pd.DataFrame([cell | {"stage": stage} for stage in ("distill", "distill_own")])
    found = [described(row, rows) for _, row in rows.iterrows()]
    rest = ", LCM, 2 steps, guidance 3"
    assert found == [f"student of c12{rest}", f"student of c12 (own){rest}"]
