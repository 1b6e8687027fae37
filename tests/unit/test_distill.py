"""Students of few steps: they start as their teacher, and learn what algebra says they must."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import LatentConsistencyModelPipeline
from torch import nn

from ldm_scaling.cli import Slice, SliceEnded
from ldm_scaling.diffusion.consistency import levels
from ldm_scaling.diffusion.guidance import guided_prediction, told_prediction
from ldm_scaling.diffusion.samplers import make_scheduler, sample_latents
from ldm_scaling.diffusion.schedule import alphas_cumprod
from ldm_scaling.distill_section import Distill, GuidedDistill
from ldm_scaling.latents.autoencoder import build
from ldm_scaling.loop import Trainer
from ldm_scaling.models import distill, guided_distill, students
from ldm_scaling.models.distill import ConsistencyDistillation
from ldm_scaling.models.family import build_unet
from ldm_scaling.models.guided_distill import ProgressiveDistillation
from ldm_scaling.models.students import EMBEDDING, make_plan, make_student
from ldm_scaling.specs import DistillSpec, GuidedDistillSpec
from ldm_scaling.study import Autoencoder, Diffusion, Family
from ldm_scaling.workdir import WorkDir

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
    scheduler = make_scheduler("lcm", DIFFUSION, 50)
    generators = [torch.Generator().manual_seed(row) for row in range(3)]
    found = sample_latents(student, scheduler, noise, text, text[0], 4, 3.0, generators)
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
    """Numbers of a normal distribution, as latents of one value."""

    count, latent_shape, text_width = 4096, (1, 1, 1), 1
    empty = torch.zeros(1, 1)
    order = announce = None

    def __init__(self):
        normal = torch.randn(self.count, 1, 1, 1, generator=torch.Generator().manual_seed(3))
        self.values = MEAN + SPREAD * normal

    def read(self, indices, device):
        """Values, and captions that say nothing."""
        return self.values[indices], torch.zeros(len(indices), 1, 1)


def denoising(alphas):
    """w and b of E[eps | x_t] = w x_t + b, for x_0 of mean MEAN and deviation SPREAD."""
    slope = (1 - alphas).sqrt() / (alphas * SPREAD**2 + 1 - alphas)
    return slope, -slope * alphas.sqrt() * MEAN


class Linear(nn.Module):
    """A network that predicts w_t x_t + b_t, with the interface of a U-Net."""

    def __init__(self, slopes, offsets, embedding=None):
        super().__init__()
        self.slopes, self.offsets = nn.Parameter(slopes.clone()), nn.Parameter(offsets.clone())
        self.config = SimpleNamespace(
            in_channels=1, sample_size=1, cross_attention_dim=1, time_cond_proj_dim=embedding
        )

    def forward(self, latents, steps, text, timestep_cond=None, return_dict=False):
        """The prediction for latents [B, 1, 1, 1] at timesteps [B]."""
        slope, offset = self.slopes[steps], self.offsets[steps]
        return (slope[:, None, None, None] * latents + offset[:, None, None, None],)


@pytest.fixture
def gaussian(monkeypatch):
    """A teacher that knows the data, and students that can learn any linear prediction."""
    alphas = alphas_cumprod(DIFFUSION)
    teacher = Linear(*denoising(alphas)).requires_grad_(False)
    for module in (distill, guided_distill):
        monkeypatch.setattr(module, "make_student", lambda _: Linear(*denoising(alphas), EMBEDDING))
    return teacher, alphas


def trained(task, settings, tmp_path, max_seconds=None):
    """The averaged weights of a task after its whole plan."""
    del task.order, task.announce  # the loop's own
    with WorkDir(tmp_path / "work", "abc") as work:
        trainer = Trainer(task, make_plan(settings, 0, "lr"), work, "toy")
        trainer.run(Slice(max_seconds))
    return trainer.averaged


def solve(alphas, timesteps):
    """x -> slope x + offset: exact DDIM steps of the teacher through these timesteps."""
    slope, offset = torch.ones(()).double(), torch.zeros(()).double()
    alphas = alphas.double()
    for here, there in pairwise(timesteps):
        w, b = denoising(alphas[here])
        a, a_next = alphas[here], alphas[there]
        ratio = (a_next / a).sqrt()
        noise = (1 - a_next).sqrt() - ratio * (1 - a).sqrt()
        slope, offset = (ratio + noise * w) * slope, (ratio + noise * w) * offset + noise * b
    return float(slope), float(offset)


def test_consistency_distillation_finds_the_consistency_function_of_gaussian_data(
    gaussian, tmp_path
):
    teacher, alphas = gaussian
    settings = Distill(**TRAINING, teacher_steps=10, loss="l2")
    spec = DistillSpec(size="c8", seed=0, diffusion=DIFFUSION, distill=settings)
    task = ConsistencyDistillation(spec, GaussianPairs(), teacher)
    weights = trained(task, settings, tmp_path)
    grid = [0, *levels(1000, 10).tolist()]
    for number, step in enumerate(grid[1:], start=1):
        a = alphas[step].double()
        # f(x_t) = (x_t - sqrt(1 - a) eps) / sqrt(a), linear in x_t
        slope = (1 - (1 - a).sqrt() * weights["slopes"][step]) / a.sqrt()
        offset = -(1 - a).sqrt() * weights["offsets"][step] / a.sqrt()
        expected = solve(alphas, grid[number::-1])
        assert (float(slope), float(offset)) == pytest.approx(expected, abs=0.03), step
    # what the exact trajectories of the flow would give, for which ten steps are too few
    a = alphas[999].double()
    exact = SPREAD / (a * SPREAD**2 + 1 - a).sqrt()
    assert float(exact) == pytest.approx(solve(alphas, list(range(999, -1, -1)))[0], rel=0.01)


def test_progressive_distillation_takes_two_steps_in_one(gaussian, tmp_path):
    teacher, alphas = gaussian
    settings = GuidedDistill(**TRAINING, sizes=["c8"], steps=[4])
    spec = GuidedDistillSpec(
        size="c8", seed=0, diffusion=DIFFUSION, steps=4, guided_distill=settings
    )
    task = ProgressiveDistillation(spec, GaussianPairs(), teacher)
    weights = trained(task, settings, tmp_path)
    for step in (999, 749, 499, 249):
        middle, end = max(step - 125, 0), max(step - 250, 0)
        expected = solve(alphas, [step, middle, end])
        a, a_end = alphas[step].double(), alphas[end].double()
        ratio = (a_end / a).sqrt()
        noise = (1 - a_end).sqrt() - ratio * (1 - a).sqrt()
        slope = ratio + noise * float(weights["slopes"][step])
        offset = noise * float(weights["offsets"][step])
        assert (float(slope), float(offset)) == pytest.approx(expected, abs=0.02), step


# ------------------------------------------------------------ the target


def test_the_target_has_the_averaged_weights(gaussian, tmp_path):
    teacher, _ = gaussian
    settings = Distill(
        **TRAINING | {"images": 640, "warmup_images": 0}, teacher_steps=10, loss="l2"
    )
    spec = DistillSpec(size="c8", seed=0, diffusion=DIFFUSION, distill=settings)
    task = ConsistencyDistillation(spec, GaussianPairs(), teacher)
    before = copy.deepcopy(task.target.state_dict())
    weights = trained(task, settings, tmp_path)
    for name, value in task.target.state_dict().items():
        assert torch.equal(value, weights[name])
    assert not torch.equal(before["slopes"], weights["slopes"])
    assert not torch.equal(task.module.state_dict()["slopes"], weights["slopes"])


@torch.no_grad()
def _moved(module):
    for parameter in module.parameters():
        parameter.add_(1)


def test_an_interrupted_distillation_is_the_undisturbed_one_bit_by_bit(gaussian, tmp_path):
    teacher, _ = gaussian
    short = TRAINING | {"images": 640, "warmup_images": 0}
    settings = Distill(**short, teacher_steps=10, loss="huber")
    spec = DistillSpec(size="c8", seed=0, diffusion=DIFFUSION, distill=settings)

    def task():
        return ConsistencyDistillation(spec, GaussianPairs(), teacher)

    undisturbed = trained(task(), settings, tmp_path / "a")
    for _ in range(10):  # the slice is over after each step
        with pytest.raises(SliceEnded):
            trained(task(), settings, tmp_path / "b", max_seconds=0)
    last = task()
    _moved(last.target)  # what it starts with does not matter
    resumed = trained(last, settings, tmp_path / "b")
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])
        assert torch.equal(value, last.target.state_dict()[name])


def test_draws_are_those_of_the_image_whatever_the_batch(gaussian):
    teacher, _ = gaussian
    settings = Distill(**TRAINING | {"guidance": [1, 3, 9]}, teacher_steps=10, loss="huber")
    spec = DistillSpec(size="c8", seed=0, diffusion=DIFFUSION, distill=settings)
    task = ConsistencyDistillation(spec, GaussianPairs(), teacher)
    rows, device = np.arange(6), torch.device("cpu")
    whole = task.losses(task.module, rows, rows + 100, device)
    parts = [
        task.losses(task.module, rows[r], rows[r] + 100, device) for r in ([0, 1], [2, 3, 4, 5])
    ]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-7, rtol=1e-5)
