"""Distributions of the initial noise: diagonal Gaussians, one for all images or one a caption.

Preference inversion (arXiv 2404.00879) replaces unit noise by them and changes no model. The noise
of an image is mu + sigma * its unit noise, so that noises remain common to all distributions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..jobs.arrays import map_array, read_header
from ..jobs.cli import InputError
from ..kinds.noises import CAPTION, GLOBAL
from ..training.network import Network

Shape = tuple[int, int, int]
FILE = "noise.safetensors"
"""of a distribution, in its folder"""


class NoiseDistribution(Network, ABC):
    """A diagonal Gaussian of noise [C, h, w]; unit noise until it is trained."""

    kind: str

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape

    @abstractmethod
    def numbers(self, text: torch.Tensor) -> torch.Tensor:
        """Means and log standard deviations [B, 2 C h w] for captions [B, L, D]."""

    def forward(self, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Means and log standard deviations [B, C, h, w] for embeddings of captions [B, L, D]."""
        mean, log_deviation = self.numbers(text).unflatten(1, (2, *self.shape)).unbind(1)
        return mean, log_deviation


class GlobalNoise(NoiseDistribution):
    """The same distribution for every caption."""

    kind = GLOBAL

    def __init__(self, shape: Shape):
        super().__init__(shape)
        self.own = nn.Parameter(torch.zeros(2 * math.prod(shape)))

    def numbers(self, text: torch.Tensor) -> torch.Tensor:
        """The parameters themselves."""
        return self.own.expand(len(text), -1)


class CaptionNoise(NoiseDistribution):
    """A distribution for each caption, by two layers from the mean of its tokens' embeddings.

    Its last layer is zero until it is trained. Hidden units are divided by the root of their
    number, so that its outputs move about as fast as `GlobalNoise` at the same learning rate.
    """

    kind = CAPTION

    def __init__(self, shape: Shape, text_width: int, width: int):
        super().__init__(shape)
        self.hidden = nn.Linear(text_width, width)
        self.last = nn.Linear(width, 2 * math.prod(shape))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def numbers(self, text: torch.Tensor) -> torch.Tensor:
        """The last layer's."""
        hidden = nn.functional.silu(self.hidden(text.mean(dim=1)))
        return self.last(hidden / math.sqrt(self.hidden.out_features))


def build(kind: str, shape: Shape, text_width: int, width: int, seed: int) -> NoiseDistribution:
    """Unit noise, as a distribution of a kind; hidden weights are drawn from the seed."""
    if kind == GLOBAL:
        return GlobalNoise(shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CaptionNoise(shape, text_width, width)


def drawn(distribution: NoiseDistribution, noise: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """mu + sigma * unit noise [B, C, h, w], for embeddings of captions [B, L, D]."""
    mean, log_deviation = distribution(text)
    return mean + log_deviation.exp() * noise


def divergence(mean: torch.Tensor, log_deviation: torch.Tensor) -> torch.Tensor:
    """KL divergence [B] of N(mu, sigma) from unit noise, in nats, summed over the latent."""
    twice = mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation
    return 0.5 * twice.flatten(1).sum(dim=1)


def load(path: Path, shape: Shape) -> NoiseDistribution:
    """A frozen distribution from its file. Raises InputError if it is not of latents of a shape."""
    header: dict[str, Any] = read_header(path)
    names = [name for name in header if name != "__metadata__"]
    state = {name: torch.from_numpy(np.array(map_array(path, name))) for name in names}
    kind = GLOBAL if "own" in state else CAPTION
    width, text_width = (1, 1) if kind == GLOBAL else state["hidden.weight"].shape
    distribution = build(kind, shape, text_width, width, 0)
    try:
        distribution.load_state_dict(state)
    except RuntimeError:
        raise InputError(
            f"{path} is no noise of latents {list(shape)}; delete it and run again"
        ) from None
    return distribution.eval().requires_grad_(False)
