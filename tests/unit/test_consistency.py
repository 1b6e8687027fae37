"""Steps and scalings of distillation, against diffusers and against algebra."""

import pytest
import torch
from diffusers import DDIMScheduler, LatentConsistencyModelPipeline, LCMScheduler

from ldm_scaling.diffusion.consistency import (
    boundary_scalings,
    consistency,
    distance,
    levels,
)
from ldm_scaling.diffusion.guidance import guidance_embedding
from ldm_scaling.diffusion.process import process_of
from ldm_scaling.diffusion.sampling import make_scheduler
from ldm_scaling.diffusion.schedules import CLEAN
from ldm_scaling.study.diffusion import Diffusion

KINDS = ["epsilon", "v_prediction"]


def diffusion(kind="v_prediction"):
    return Diffusion(prediction=kind)


def latents(seed, count=3):
    return torch.randn(count, 4, 2, 2, generator=torch.Generator().manual_seed(seed))


def test_at_timestep_0_an_image_is_its_own_origin():
    skip, out = boundary_scalings(torch.tensor([0, 1, 999]))
    assert skip[0] == 1 and out[0] == 0
    assert skip[2] < 1e-8 and out[2] == pytest.approx(1)
    clean, process = latents(0, 1), process_of(diffusion("epsilon"))
    zero = torch.zeros(1, dtype=torch.long)
    assert torch.equal(consistency(process, clean, latents(1, 1), zero), clean)


@pytest.mark.parametrize("kind", KINDS)
def test_origin_and_noise_undo_the_forward_process(kind):
    clean, noise, levels = latents(0), latents(1), torch.tensor([20, 300, 950])
    process = process_of(diffusion(kind))
    output = process.target(clean, noise, levels)
    found = process.origin_and_noise(process.noised(clean, noise, levels), output, levels)
    torch.testing.assert_close(found[0], clean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[1], noise, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_solver_is_diffusers_ddim_step(kind):
    settings = process_of(diffusion(kind)).scheduler_settings()
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **settings)
    scheduler.set_timesteps(50)
    noisy, output = latents(0), latents(1)
    for timestep in (999, 499, 19):
        before = max(CLEAN, timestep - 20)
        expected = scheduler.step(output, timestep, noisy, return_dict=False)[0]
        at, after = (torch.full((3,), place) for place in (timestep, before))
        found = process_of(diffusion(kind)).step(noisy, output, at, after)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("levels", [(499, 374, 249), (249, 124, CLEAN)])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_to_where_two_lead(kind, levels):
    process = process_of(diffusion(kind))
    begin, middle, end = (torch.full((3,), place) for place in levels)
    noisy = latents(0)
    between = process.step(noisy, latents(1), begin, middle)
    reached = process.step(between, latents(2), middle, end)
    origin = process.one_step_origin(noisy, reached, begin, end)
    alpha = process.alphas[begin].reshape(-1, 1, 1, 1)
    noise = (noisy - alpha.sqrt() * origin) / (1 - alpha).sqrt()
    output = process.target(origin, noise, begin)
    torch.testing.assert_close(process.step(noisy, output, begin, end), reached, **CLOSE)


CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.mark.parametrize("kind", KINDS)
def test_the_origin_is_that_of_diffusers_scheduler(kind):
    scheduler: LCMScheduler = make_scheduler("lcm", diffusion(kind), 50)
    scheduler.set_timesteps(4)
    noisy, output = latents(0), latents(1)
    for timestep in scheduler.timesteps:
        expected = scheduler.step(output, timestep, noisy, return_dict=False)[1]
        found = consistency(process_of(diffusion(kind)), noisy, output, timestep.repeat(3))
        torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("count", [10, 30, 50])
def test_a_students_steps_are_on_its_teachers_grid(count):
    grid = set(levels(1000, count).tolist())
    scheduler = make_scheduler("lcm", diffusion(), count)
    for steps in (1, 2, 4, 8, count):
        scheduler.set_timesteps(steps)
        assert set(scheduler.timesteps.tolist()) <= grid
    assert len(grid) == count


def test_the_embedding_is_that_of_diffusers_pipeline():
    scales = torch.tensor([1.0, 2.5, 15])
    pipeline = LatentConsistencyModelPipeline.get_guidance_scale_embedding
    expected = pipeline(None, scales - 1, embedding_dim=256)
    torch.testing.assert_close(guidance_embedding(scales, 256), expected, atol=2e-3, rtol=0)


def test_distances():
    difference = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert distance("l2", difference).tolist() == [12.5, 0]
    huber = distance("huber", difference)
    assert huber[0] == pytest.approx(3.5, rel=1e-3) and huber[1] == 0
    assert distance("huber", torch.full((1, 2), 1e-5)) == pytest.approx(5e-8, rel=0.01)  # d^2 / 2c
