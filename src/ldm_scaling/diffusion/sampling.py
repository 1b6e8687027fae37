"""Sampling of latents by any solver: diffusers' schedulers, made by the module of their name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch

from ..kinds.samplers import SAMPLERS
from ..study.diffusion import Diffusion
from ..training.network import Network
from .guidance import (
    forwards_per_step,
    guidance_text,
    guided_prediction,
    is_embedded,
    text_projections,
)
from .process import process_of

_SPACING = {"timestep_spacing": "trailing", "steps_offset": 1}
"""Trailing starts at the noisiest level for any number of steps (Lin et al. 2023, table 2); leading
would start a 2-step trajectory at half noise, which pure noise does not match. The offset has no
effect here; Stable Diffusion's pipeline asks for it."""


class Scheduler(Protocol):
    """What diffusers' schedulers have in common, which their base class does not say."""

    timesteps: torch.Tensor
    sigmas: torch.Tensor
    """of most schedulers only"""
    init_noise_sigma: float
    set_timesteps: Callable[..., None]
    scale_model_input: Callable[..., torch.Tensor]
    step: Callable[..., Any]
    to_json_string: Callable[[], str]


def make_scheduler(
    sampler: str, diffusion: Diffusion, teacher_steps: int | None = None
) -> Scheduler:
    """A fresh scheduler for a sampler's name; that of students takes levels of its teacher's."""
    make = importlib.import_module(f"{__package__}.samplers.{sampler}").make
    settings = process_of(diffusion).scheduler_settings() | _SPACING
    return make(settings, teacher_steps) if SAMPLERS[sampler].of_students else make(settings)


def network_evaluations(steps: int, guidance: float, embedded: bool = False) -> int:
    """NFE of one image: every sampler evaluates once a step, twice where guidance asks for it."""
    return steps * forwards_per_step(guidance, embedded)


def _set_steps(scheduler: Scheduler, steps: int, device: torch.device) -> None:
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
def _text_projected_once(unet: Network) -> Iterator[None]:
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
    unet: Network,
    scheduler: Scheduler,
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
