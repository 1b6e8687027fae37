"""What all students share: how they start, what they are told, and whom they learn from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..diffusion.guidance import guided_prediction, is_embedded
from ..jobs.cli import InputError, parser
from ..kinds.stages import SAMPLER_OF
from ..latents.autoencoder import weights_hash
from ..latents.pairs import Pairs
from ..study.fields import Strict
from ..training.devices import in_precision, own_device, precision
from .denoiser import Denoiser, input_shape, load, told
from .train import DenoiserTask, add_training, make_plan, train

EMBEDDING = 256
"""width of the guidance scale's embedding, that of public latent consistency models"""


def make_student(teacher: Denoiser) -> Denoiser:
    """A copy that is told the guidance scale, and at first does not listen to it."""
    return told(teacher, EMBEDDING)


def drawn(
    generators: list[torch.Generator], count: int, guidance: list[float], shape: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A number below `count`, one of the scales `guidance` and unit noise of each image."""
    numbers = [torch.randint(count, (), generator=generator) for generator in generators]
    scales = [torch.randint(len(guidance), (), generator=generator) for generator in generators]
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(numbers), torch.tensor(guidance)[torch.stack(scales)], torch.stack(noise)


class Teacher:
    """A frozen denoiser with guided predictions, of one forward pass where it is told the scale.

    Raises InputError if its latents or captions are not those of the data.
    """

    def __init__(self, network: Denoiser, pairs: Pairs):
        if pairs.latent_shape != input_shape(network):
            raise InputError(f"--teacher: its latents are not of shape {pairs.latent_shape}")
        if pairs.text_width != network.config.cross_attention_dim:
            raise InputError("--teacher: attends to embeddings of another width than the data's")
        network = network.to(own_device(), memory_format=torch.channels_last)
        self._network = in_precision(network, precision())
        self._empty = pairs.empty

    @torch.no_grad()
    def __call__(
        self, noisy: torch.Tensor, steps: torch.Tensor, captions: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """The prediction for x_t [B, C, h, w] at timesteps [B] with a scale [B] each."""
        if not is_embedded(self._network):
            captions = torch.cat([self._empty.to(captions).expand_as(captions), captions])
        return guided_prediction(self._network, noisy, steps, captions, scale)


def student_parser(description: str | None, kind: type[Strict]) -> ArgumentParser:
    """The options of a distillation with a spec of this kind."""
    arguments = parser(description, kind)
    add_training(arguments)
    arguments.add_argument("--teacher", required=True, type=Path, help="folder of the teacher")
    return arguments


def distil(
    options: Namespace,
    task: Callable[[Any, Pairs, Denoiser], DenoiserTask],
    section: str,
    *depends_on: str,
) -> None:
    """The command of a distillation: its task and its section of the study.

    `depends_on` are hashes of what decides the result beside spec, data and teacher.
    """
    spec, teacher = options.spec, load(options.teacher)
    plan = make_plan(getattr(spec, section), spec.seed, f"{section}.lr")
    decided = (weights_hash(teacher), *depends_on)
    sampler = SAMPLER_OF[section]
    train(options, lambda pairs: task(spec, pairs, teacher), plan, sampler, decided)
