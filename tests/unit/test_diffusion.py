"""Forward process, guidance and samplers against diffusers' own."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from solvers import solver

from ldm_scaling.diffusion.guidance import forwards_per_step, guidance_text, guided_prediction
from ldm_scaling.diffusion.process import Ddpm
from ldm_scaling.diffusion.sampling import network_evaluations, sample_latents
from ldm_scaling.study.diffusion import Diffusion

DIFFUSION = Diffusion(prediction="v_prediction")
OF_VELOCITY, OF_NOISE = Ddpm(DIFFUSION), Ddpm(Diffusion(prediction="epsilon"))
REFERENCE = DDPMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 5, 3, 4, 4, generator=generator)
    return clean, noise, torch.tensor([0, 1, 500, 998, 999])


def test_alphas_are_diffusers():
    torch.testing.assert_close(OF_VELOCITY.alphas, REFERENCE.alphas_cumprod)


def test_noising_and_velocity_are_diffusers(batch):
    clean, noise, steps = batch
    noisy = OF_VELOCITY.noised(clean, noise, steps)
    torch.testing.assert_close(noisy, REFERENCE.add_noise(clean, noise, steps))
    velocity = REFERENCE.get_velocity(clean, noise, steps)
    torch.testing.assert_close(OF_VELOCITY.target(clean, noise, steps), velocity)
    assert OF_NOISE.target(clean, noise, steps) is noise


def test_min_snr_weights_are_diffusers_recipe(batch):
    steps = batch[2]
    snr = compute_snr(REFERENCE, steps)
    clipped = torch.minimum(snr, torch.full_like(snr, 5.0))
    found = OF_NOISE.weights(steps, 5.0)
    torch.testing.assert_close(found, clipped / snr, rtol=1e-4, atol=0)
    found = OF_VELOCITY.weights(steps, 5.0)
    torch.testing.assert_close(found, clipped / (snr + 1), rtol=1e-4, atol=1e-9)
    assert torch.equal(OF_NOISE.weights(steps, None), torch.ones(5))


UNTOLD = SimpleNamespace(time_cond_proj_dim=None)  # guided by two forward passes


class Linear(torch.nn.Module):
    """A stand-in U-Net whose output is known: a * latents + mean of the text."""

    config = UNTOLD

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, latents, timestep, text, return_dict):
        self.calls.append(len(latents))
        return (0.3 * latents + text.mean(dim=(1, 2))[:, None, None, None],)


def test_guidance_formula_on_all_channels(batch):
    latents, unet = batch[0], Linear()
    text, empty = torch.randn(5, 6, 7), torch.randn(6, 7)
    step = torch.tensor(10)
    conditional = unet(latents, step, text, False)[0]
    unconditional = unet(latents, step, empty.expand_as(text), False)[0]
    unet.calls.clear()
    guided = guided_prediction(unet, latents, step, guidance_text(text, empty, 3.5), 3.5)
    torch.testing.assert_close(guided, unconditional + 3.5 * (conditional - unconditional))
    assert unet.calls == [10]
    unguided = guided_prediction(unet, latents, step, guidance_text(text, empty, 1), 1)
    torch.testing.assert_close(unguided, conditional)
    assert unet.calls == [10, 5]


@pytest.mark.parametrize(("steps", "guidance"), [(1, 1.0), (7, 1.0), (7, 2.5), (61, 1.0)])
def test_network_evaluations_are_counted(batch, steps, guidance):
    unet = Linear()
    noise, text, empty = batch[0], torch.zeros(5, 2, 2), torch.zeros(2, 2)
    sample_latents(unet, solver("ddim", steps), noise, text, empty, guidance, [])
    assert sum(unet.calls) == len(noise) * network_evaluations(steps, guidance)
    assert forwards_per_step(1) == 1
    assert forwards_per_step(1.0001) == 2
