"""Students of few steps: they start as their teacher, and learn what algebra says they must."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import LatentConsistencyModelPipeline
from solvers import solver
from torch import nn

from ldm_scaling.diffusion.consistency import levels
from ldm_scaling.diffusion.guidance import guided_prediction, told_prediction
from ldm_scaling.diffusion.process import process_of
from ldm_scaling.diffusion.sampling import make_scheduler, sample_latents
from ldm_scaling.jobs.cli import Slice, SliceEnded
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.latents.autoencoder import build
from ldm_scaling.models import distill, guided_distill, students
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.distill import ConsistencyDistillation
from ldm_scaling.models.guided_distill import ProgressiveDistillation
from ldm_scaling.models.students import EMBEDDING, make_student
from ldm_scaling.models.train import make_plan
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.distill import Distill, GuidedDistill
from ldm_scaling.study.family import Family
from ldm_scaling.study.latents import Autoencoder
from ldm_scaling.training.loop import Trainer
from ldm_scaling.workflow.specs.models import DistillSpec, GuidedDistillSpec

DIFFUSION = Diffusion(prediction="epsilon")
TRAINING = {
    "images": 40_000,
    "batch": 64,
    "lr": 0.05,
    "warmup_images": 640,
    "decay": "cosine",
    "weight_decay": 0,
    "clip_norm": 100,
    "ema_images": 640,
    "guidance": [1],
}
SHORT = {"images": 640, "warmup_images": 0}
AUTOENCODER = {
    "downsampling": 4,
    "latent_channels": 4,
    "width": 8,
    "images": 1,
    "batch": 1,
    "lr": 1,
}
FAMILY = Family(
    sizes=["c8"],
    reference_size="c8",
    channel_multipliers=[1, 2],
    res_blocks=1,
    attention=[True, True],
    heads=2,
    norm_groups=4,
)


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    return build_unet(FAMILY, "c8", (4, 4, 4), 16).eval()


def inputs(count=3):
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(count, 4, 4, 4, generator=generator)
    return latents, torch.tensor([999, 500, 19]), torch.randn(count, 5, 16, generator=generator)


# ------------------------------------------------------------ a student at its start


@torch.no_grad()
def test_a_student_starts_as_its_teacher_whatever_it_is_told(teacher):
    latents, steps, text = inputs()
    student = make_student(teacher).eval()
    expected = teacher(latents, steps, text, return_dict=False)[0]
    for scale in (1.0, 15.0):
        found = told_prediction(student, latents, steps, text, torch.full((3,), scale), EMBEDDING)
        assert torch.equal(found, expected)


@torch.no_grad()
def test_a_student_of_a_student_keeps_what_it_listens_to(teacher):
    first = make_student(teacher).eval()
    nn.init.normal_(first.time_embedding.cond_proj.weight, generator=torch.manual_seed(0))
    second = make_student(first).eval()
    latents, steps, text = inputs()
    told = torch.tensor([1.0, 3, 15])
    expected = guided_prediction(first, latents, steps, text, told)
    assert torch.equal(guided_prediction(second, latents, steps, text, told), expected)
    assert not torch.equal(guided_prediction(second, latents, steps, text, told + 1), expected)


@torch.no_grad()
def test_each_image_has_the_teachers_scale_that_it_drew(teacher):
    latents, steps, text = inputs()
    empty = torch.randn(5, 16, generator=torch.Generator().manual_seed(2))
    pairs = SimpleNamespace(latent_shape=(4, 4, 4), text_width=16, empty=empty)
    told = torch.tensor([1.0, 3, 15])
    found = students.Teacher(teacher, pairs)(latents, steps, text, told)
    for row, scale in enumerate(told.tolist()):
        one = (latents[row : row + 1], steps[row])
        without = teacher(*one, empty[None], return_dict=False)[0]
        with_text = teacher(*one, text[row : row + 1], return_dict=False)[0]
        expected = without + scale * (with_text - without)
        torch.testing.assert_close(found[row : row + 1], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_images_are_those_of_diffusers_latent_consistency_pipeline(teacher):
    student = make_student(teacher).eval()
    nn.init.normal_(student.time_embedding.cond_proj.weight, std=0.1)
    noise, _, text = inputs()
    steps = solver("lcm", 4, DIFFUSION, teacher_steps=50)
    generators = [torch.Generator().manual_seed(row) for row in range(3)]
    found = sample_latents(student, steps, noise, text, text[0], 3.0, generators)
    pipeline = LatentConsistencyModelPipeline(
        vae=build(Autoencoder(pretrained=None, **AUTOENCODER)),
        text_encoder=None,
        tokenizer=None,
        unet=student,
        scheduler=make_scheduler("lcm", DIFFUSION, 50),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(row) for row in range(3)]
    told = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "latent"}
    expected = pipeline(prompt_embeds=text, latents=noise, generator=generators, **told).images
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------ Gaussian data

MEAN, SPREAD = 0.5, 0.8


class GaussianPairs:
    """Numbers of a normal distribution, as latents of one value; their caption is the mean."""

    count, latent_shape, text_width = 4096, (1, 1, 1), 1
    empty = torch.zeros(1, 1)
    order = announce = None

    def __init__(self):
        normal = torch.randn(self.count, 1, 1, 1, generator=torch.Generator().manual_seed(3))
        self.values = MEAN + SPREAD * normal

    def read(self, indices, device):
        """Values and captions."""
        return self.values[indices], torch.full((len(indices), 1, 1), MEAN)


def denoising(alphas):
    """k and b of E[x_0 | x_t] = k x_t + b c, for x_0 of deviation SPREAD whose mean is c."""
    slope = alphas.sqrt() * SPREAD**2 / (alphas * SPREAD**2 + 1 - alphas)
    return slope, 1 - slope * alphas.sqrt()


class Linear(nn.Module):
    """A network with the interface of a U-Net, whose origin is linear in latents and text.

    It starts as E[x_0 | x_t], so that guidance of scale s moves the mean from c to s c. What it
    learns is polynomials of the timestep, added to slope and offset; with an embedding, they
    depend on that as well, by a layer that begins at 0 as a student's does.
    """

    def __init__(self, alphas, embedding=None, degree=5):
        super().__init__()
        angles = torch.linspace(-1, 1, len(alphas)).acos()
        self.alphas, self.start = alphas, torch.stack(denoising(alphas), dim=1)
        self.chebyshev = (angles[:, None] * torch.arange(degree + 1)).cos()
        self.learned = nn.Parameter(torch.zeros(degree + 1, 2))
        if embedding:
            self.told = nn.Parameter(torch.zeros(embedding, degree + 1, 2))
        self.config = SimpleNamespace(
            in_channels=1, sample_size=1, cross_attention_dim=1, time_cond_proj_dim=embedding
        )

    def forward(self, latents, steps, text, timestep_cond=None, return_dict=False):
        """The prediction of eps for latents [B, 1, 1, 1] at timesteps [B]."""
        learned = self.learned
        if timestep_cond is not None:
            width = timestep_cond.shape[1]
            learned = learned + torch.einsum("bw,wdi->bdi", timestep_cond, self.told) / width**0.5
        added = (self.chebyshev[steps][:, :, None] * learned).sum(dim=1)
        slope, offset = (self.start[steps] + added)[:, :, None, None, None].unbind(dim=1)
        alpha = self.alphas[steps][:, None, None, None]
        origin = slope * latents + offset * text[:, :, :, None]
        return ((latents - alpha.sqrt() * origin) / (1 - alpha).sqrt(),)


@pytest.fixture
def gaussian(monkeypatch):
    """A teacher that knows the data, and students that can learn linear predictions."""
    alphas = process_of(DIFFUSION).alphas
    for module in (distill, guided_distill):
        monkeypatch.setattr(module, "make_student", lambda _: Linear(alphas, EMBEDDING))
    return Linear(alphas).requires_grad_(False), alphas


def consistency_task(teacher, teacher_steps=10, loss="l2", **changes):
    """A task of consistency distillation, and its settings."""
    settings = Distill(**TRAINING | changes, teacher_steps=teacher_steps, loss=loss)
    spec = DistillSpec(size="c8", seed=0, diffusion=DIFFUSION, distill=settings)
    return ConsistencyDistillation(spec, GaussianPairs(), teacher), settings


def progressive_task(teacher, steps=4, **changes):
    """A task of progressive distillation to some steps, and its settings."""
    settings = GuidedDistill(**TRAINING | changes, sizes=["c8"], steps=[steps])
    spec = GuidedDistillSpec(
        size="c8",
        seed=0,
        diffusion=DIFFUSION,
        steps=steps,
        schedule="trailing",
        guided_distill=settings,
    )
    return ProgressiveDistillation(spec, GaussianPairs(), teacher), settings


def trained(task, settings, tmp_path, max_seconds=None):
    """The averaged weights of a task after its whole plan."""
    del task.order, task.announce  # the loop's own
    with WorkDir(tmp_path / "work", "abc") as work:
        trainer = Trainer(task, make_plan(settings, 0, "lr"), work, "toy")
        trainer.run(Slice(max_seconds))
    return trainer.averaged


@torch.no_grad()
def origins(weights, alphas, steps, scale):
    """Slopes and offsets of x_0 at these timesteps, as a student that is told the scale says."""
    student = Linear(alphas, EMBEDDING)
    student.load_state_dict(weights)
    text, told = torch.full((len(steps), 1, 1), MEAN), torch.full((len(steps),), float(scale))
    a, values = alphas[steps].double(), []
    for x in (0.0, 1.0):
        noisy = torch.full((len(steps), 1, 1, 1), x)
        noise = told_prediction(student, noisy, steps, text, told, EMBEDDING).flatten().double()
        values.append((x - (1 - a).sqrt() * noise) / a.sqrt())
    return values[1] - values[0], values[0]


def ddim_weights(alphas, here, there):
    """How much of x_t and of x_0 there is in what one DDIM step of the flow leads to."""
    a, a_next = alphas[here].double(), alphas[there].double()
    noise = ((1 - a_next) / (1 - a)).sqrt()
    return noise, a_next.sqrt() - noise * a.sqrt()


def solve(alphas, timesteps, mean):
    """x -> slope x + offset: exact DDIM steps through these timesteps, for data of this mean."""
    slope, offset = 1.0, 0.0
    for here, there in pairwise(timesteps):
        noise, signal = ddim_weights(alphas, here, there)
        k, b = denoising(alphas[here].double())
        slope = (noise + signal * k) * slope
        offset = (noise + signal * k) * offset + signal * b * mean
    return float(slope), float(offset)


def test_consistency_distillation_finds_the_consistency_function_of_gaussian_data(
    gaussian, tmp_path
):
    teacher, alphas = gaussian
    length = {"images": 100_000, "lr": 0.015, "ema_images": 256}
    task, settings = consistency_task(teacher, teacher_steps=100, guidance=[1, 3], **length)
    weights = trained(task, settings, tmp_path)
    steps = levels(1000, 100)
    a, grid = alphas[steps].double(), [0, *steps.tolist()]
    for scale in (1, 3):
        found = origins(weights, alphas, steps, scale)
        # the flow leaves x_t as many deviations from the mean as it is; the mean is now scale MEAN
        slope = SPREAD / (a * SPREAD**2 + 1 - a).sqrt()
        flow = slope, (1 - slope * a.sqrt()) * scale * MEAN
        # 0.013 of this is the DDIM steps' own error; with ten of them it would be 0.11
        torch.testing.assert_close(found, flow, atol=0.02, rtol=0)
        solved = [solve(alphas, grid[end::-1], scale * MEAN) for end in range(1, len(grid))]
        ddim = tuple(torch.tensor(solved).double().T)
        torch.testing.assert_close(found, ddim, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "fine",
    [
        [999, 874, 749, 624, 499, 374, 249, 124],
        [999, 832, 666, 499, 332, 166],  # 1,000 is no multiple of 6
    ],
)
def test_progressive_distillation_takes_two_steps_in_one(gaussian, tmp_path, fine):
    teacher, alphas = gaussian
    length = {"images": 20_000, "lr": 0.01, "guidance": [1, 3]}
    task, settings = progressive_task(teacher, len(fine) // 2, **length)
    weights = trained(task, settings, tmp_path)
    steps, ends = torch.tensor(fine[::2]), torch.cat([alphas, torch.ones(1)])
    places = [*fine, -1]  # the last step ends clean
    for scale in (1, 3):
        slopes, offsets = origins(weights, alphas, steps, scale)
        for number, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
            step, middle, end = places[2 * number : 2 * number + 3]
            noise, signal = ddim_weights(ends, step, end)
            found = float(noise + signal * slope), float(signal * offset)
            expected = solve(ends, [step, middle, end], scale * MEAN)
            assert found == pytest.approx(expected, abs=0.001), (scale, step)


# ------------------------------------------------------------ the target


def test_the_target_has_the_averaged_weights(gaussian, tmp_path):
    teacher, _ = gaussian
    task, settings = consistency_task(teacher, **SHORT)
    before = copy.deepcopy(task.target.state_dict())
    weights = trained(task, settings, tmp_path)
    for name, value in task.target.state_dict().items():
        assert torch.equal(value, weights[name])
        assert not torch.equal(value, before[name])
        assert not torch.equal(value, task.module.state_dict()[name])


@torch.no_grad()
def _moved(module):
    for parameter in module.parameters():
        parameter.add_(1)


@pytest.mark.parametrize("task_of", [consistency_task, progressive_task])
def test_an_interrupted_distillation_is_the_undisturbed_one_bit_by_bit(gaussian, tmp_path, task_of):
    teacher, _ = gaussian
    changes = SHORT | {"guidance": [1, 3]}
    undisturbed = trained(*task_of(teacher, **changes), tmp_path / "a")
    for _ in range(10):  # the slice is over after each step
        with pytest.raises(SliceEnded):
            trained(*task_of(teacher, **changes), tmp_path / "b", max_seconds=0)
    last, settings = task_of(teacher, **changes)
    target = getattr(last, "target", None)
    if target is not None:
        _moved(target)  # what it starts with does not matter
    resumed = trained(last, settings, tmp_path / "b")
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])
        assert target is None or torch.equal(value, target.state_dict()[name])


def test_draws_are_those_of_the_image_whatever_the_batch(gaussian):
    teacher, _ = gaussian
    task, _ = consistency_task(teacher, loss="huber", guidance=[1, 3, 9])
    rows, device = np.arange(6), torch.device("cpu")
    whole = task.losses(task.module, rows, rows + 100, device)
    parts = [
        task.losses(task.module, rows[r], rows[r] + 100, device) for r in ([0, 1], [2, 3, 4, 5])
    ]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-7, rtol=1e-5)
