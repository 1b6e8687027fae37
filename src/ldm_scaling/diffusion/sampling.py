"""Sampling of latents by any solver: diffusers' schedulers, made by the module of their name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch

from ..kinds.samplers import SAMPLERS
from ..kinds.schedules import EXPORTED
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
from .schedules import levels

SPACING = {"timestep_spacing": EXPORTED, "steps_offset": 1}
"""what diffusers' pipelines take from the folder of a model; samplers here take `levels`"""


AfterStep = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""the number of a step from 1 on, latents before it, the guided prediction and latents after it, to
the latents with which the next step begins; all [B, C, h, w]"""


class Scheduler(Protocol):
    """What diffusers' schedulers have in common, which their base class does not say."""

    timesteps: torch.Tensor
    sigmas: torch.Tensor
    """of most schedulers only"""
    init_noise_sigma: float
    config: Any
    set_timesteps: Callable[..., None]
    scale_model_input: Callable[..., torch.Tensor]
    step: Callable[..., Any]
    to_json_string: Callable[[], str]


class Trajectory(Protocol):
    """How a trajectory is sampled: a cell, or a setting of the study."""

    @property
    def sampler(self) -> str:
        """Its solver's name."""
        ...

    @property
    def steps(self) -> int:
        """Denoising steps."""
        ...

    @property
    def schedule(self) -> str | None:
        """Where they lie; None for samplers of students."""
        ...

    @property
    def guidance(self) -> float:
        """The scale."""
        ...


def make_scheduler(
    sampler: str, diffusion: Diffusion, teacher_steps: int | None = None
) -> Scheduler:
    """A fresh scheduler for a sampler's name; that of students takes levels of its teacher's."""
    make = importlib.import_module(f"{__package__}.samplers.{sampler}").make
    settings = process_of(diffusion).scheduler_settings() | SPACING
    return make(settings, teacher_steps) if SAMPLERS[sampler].of_students else make(settings)


def network_evaluations(steps: int, guidance: float, embedded: bool = False) -> int:
    """NFE of one image: every sampler evaluates once a step, twice where guidance asks for it."""
    return steps * forwards_per_step(guidance, embedded)


def make_solver(
    trajectory: Trajectory, diffusion: Diffusion, device: torch.device | str = "cpu"
) -> Scheduler:
    """A fresh scheduler, set to the steps of one trajectory.

    It goes from each level of the schedule exactly to the next, and from the last one to the clean
    image. That of students has a list of its own, from its teacher's.
    """
    sampler, teacher_steps = trajectory.sampler, getattr(trajectory, "teacher_steps", None)
    scheduler = make_scheduler(sampler, diffusion, teacher_steps)
    if SAMPLERS[sampler].of_students:
        scheduler.set_timesteps(trajectory.steps, device=device)
    else:
        assert trajectory.schedule
        own = levels(trajectory.schedule, trajectory.steps, diffusion.train_timesteps)
        scheduler.set_timesteps(timesteps=own, device=device)
    return scheduler


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


def denoise(
    unet: Network,
    scheduler: Scheduler,
    noise: torch.Tensor,
    text: torch.Tensor,
    empty: torch.Tensor,
    guidance: float,
    generators: list[torch.Generator],
    condition: torch.Tensor | None = None,
    after_step: AfterStep | None = None,
) -> torch.Tensor:
    """Latents [B, C, h, w] from unit noise of that shape and captions' embeddings [B, L, D].

    The scheduler is fresh from `make_solver`: it remembers its steps.
    A sampler that draws noise at its steps takes that of an image from the image's own generator.
    A condition [B, C', h, w] stands beside the noisy latents; it allows for no guidance.
    `after_step` may change the latents between steps.
    Gradients reach the noise; `sample_latents` is the same without them.
    """
    latents = noise * scheduler.init_noise_sigma
    text = guidance_text(text, empty, guidance, is_embedded(unet))
    with _text_projected_once(unet):
        for number, timestep in enumerate(scheduler.timesteps, start=1):
            scaled = scheduler.scale_model_input(latents, timestep)
            if condition is not None:
                scaled = torch.cat([scaled, condition], dim=1)
            prediction = guided_prediction(unet, scaled, timestep, text, guidance)
            before = latents
            latents = scheduler.step(
                prediction, timestep, latents, generator=generators, return_dict=False
            )[0]
            if after_step is not None:
                latents = after_step(number, before, prediction, latents)
    return latents


sample_latents = torch.no_grad()(denoise)
