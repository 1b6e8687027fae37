"""Samplers: diffusers' schedulers behind one interface. A new sampler is one line in SAMPLERS."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, LCMScheduler
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

from ..study.diffusion import Diffusion
from .guidance import (
    forwards_per_step,
    guidance_text,
    guided_prediction,
    is_embedded,
    text_projections,
)


def _schedule(diffusion: Diffusion) -> dict:
    # "trailing" starts at the noisiest level for any number of steps (Lin et al. 2023, table 2);
    # "leading" would start a 2-step trajectory at half noise, which pure noise does not match
    return {
        "num_train_timesteps": diffusion.train_timesteps,
        "beta_start": diffusion.beta_start,
        "beta_end": diffusion.beta_end,
        "beta_schedule": "scaled_linear",
        "prediction_type": diffusion.prediction,
        "timestep_spacing": "trailing",
        "steps_offset": 1,  # has no effect here; Stable Diffusion's pipeline asks for it
    }


def _ddim(diffusion: Diffusion) -> DDIMScheduler:
    settings = {"clip_sample": False, "set_alpha_to_one": False}
    return DDIMScheduler(**settings, **_schedule(diffusion))


def _ddpm(diffusion: Diffusion) -> DDPMScheduler:
    # ancestral sampling (Ho et al. 2020, algorithm 2) on the respaced steps
    return DDPMScheduler(clip_sample=False, **_schedule(diffusion))


def _dpmpp(diffusion: Diffusion) -> DPMSolverMultistepScheduler:
    # DPM-Solver++ 2M (Lu et al. 2022, algorithm 2)
    return DPMSolverMultistepScheduler(**_schedule(diffusion))


SAMPLERS: dict[str, Callable[[Diffusion], SchedulerMixin]] = {
    "ddim": _ddim,
    "ddpm": _ddpm,
    "dpmpp": _dpmpp,
}


def make_scheduler(
    sampler: str, diffusion: Diffusion, teacher_steps: int | None = None
) -> SchedulerMixin:
    """A fresh diffusers scheduler for a sampler's name; lcm takes its levels from its teacher's."""
    if sampler != "lcm":
        return SAMPLERS[sampler](diffusion)
    settings = {"original_inference_steps": teacher_steps, "set_alpha_to_one": False}
    schedule = _schedule(diffusion)
    del schedule["timestep_spacing"]  # the teacher's grid decides
    return LCMScheduler(**settings, **schedule)


def network_evaluations(steps: int, guidance: float, embedded: bool = False) -> int:
    """NFE of one image: every sampler evaluates once a step, twice where guidance asks for it."""
    return steps * forwards_per_step(guidance, embedded)


def _set_steps(scheduler: SchedulerMixin, steps: int, device: torch.device) -> None:
    # diffusers' "trailing" spacing has one level too many, -1, where 1000 / (1000 / steps) is
    # rounded to above `steps`: for 61 steps and 61 other counts below 1000
    scheduler.set_timesteps(steps, device=device)
    if len(scheduler.timesteps) > steps:
        scheduler.timesteps = scheduler.timesteps[:steps]
        if hasattr(scheduler, "sigmas"):  # of each level, and of the image at the end
            scheduler.sigmas = torch.cat([scheduler.sigmas[:steps], scheduler.sigmas[-1:]])


def sampler_levels(sampler: str, diffusion: Diffusion, steps: int) -> torch.Tensor:
    """Timesteps [steps] at which a sampler evaluates the network, the noisiest first."""
    scheduler = make_scheduler(sampler, diffusion)
    _set_steps(scheduler, steps, torch.device("cpu"))
    return scheduler.timesteps


@contextlib.contextmanager
def _text_projected_once(unet: nn.Module) -> Iterator[None]:
    # the text is the same tensor at every step, and so are its keys and values in cross-attention:
    # half of the arithmetic of the smallest U-Nets
    projections = text_projections(unet)
    for projection in projections:
        projection.forward = _remembering(projection.forward)
    try:
        yield
    finally:
        for projection in projections:
            del projection.forward  # the class's own again


def _remembering(project: Callable[[torch.Tensor], torch.Tensor]):
    seen: list[torch.Tensor] = []

    def forward(text: torch.Tensor) -> torch.Tensor:
        if not seen or seen[0] is not text:
            seen[:] = [text, project(text)]
        return seen[1]

    return forward


@torch.no_grad()
def sample_latents(
    unet: nn.Module,
    scheduler: SchedulerMixin,
    noise: torch.Tensor,
    text: torch.Tensor,
    empty: torch.Tensor,
    steps: int,
    guidance: float,
    generators: list[torch.Generator],
    condition: torch.Tensor | None = None,
) -> torch.Tensor:
    """Latents [B, C, h, w] from unit noise of that shape and captions' embeddings [B, L, D].

    A sampler that draws noise at its steps takes that of an image from the image's own generator.
    A condition [B, C', h, w] stands beside the noisy latents; it allows for no guidance.
    """
    _set_steps(scheduler, steps, noise.device)
    latents = noise * scheduler.init_noise_sigma
    text = guidance_text(text, empty, guidance, is_embedded(unet))
    with _text_projected_once(unet):
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            if condition is not None:
                scaled = torch.cat([scaled, condition], dim=1)
            prediction = guided_prediction(unet, scaled, timestep, text, guidance)
            latents = scheduler.step(
                prediction, timestep, latents, generator=generators, return_dict=False
            )[0]
    return latents
