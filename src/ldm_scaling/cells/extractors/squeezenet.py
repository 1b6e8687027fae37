"""SqueezeNet 1.1 trained on ImageNet; the 512 averaged channels before its classifier.

Source: Iandola et al. 2016, https://arxiv.org/abs/1602.07360, with the weights that rule
fetch_squeezenet fetches. The features are heavy-tailed, so KID of them means little.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torchvision.models import squeezenet1_1

from ...jobs.cli import InputError
from ...study.metrics import FeatureNetwork
from ..metrics.perceptual import BGR_MEAN

PREFETCH = "run: snakemake --cores 1 prefetch (with the study's --configfile)"
_LAYERS = "features."


def load(
    device: torch.device | str, weights: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor on a device. Raises InputError if its file is missing."""
    if weights is None or not weights.exists():
        raise InputError(f"{weights or 'the file of squeezenet'} is missing; {PREFETCH}")
    network = squeezenet1_1(weights=None).features
    own = load_file(weights)
    network.load_state_dict(
        {name.removeprefix(_LAYERS): own[name] for name in own if name.startswith(_LAYERS)}
    )
    network.eval().requires_grad_(False).to(device)
    mean = torch.tensor(BGR_MEAN, device=device)[:, None, None]

    def features(pixels: torch.Tensor) -> torch.Tensor:
        return network(pixels.flip(1) - mean).mean(dim=(2, 3))

    return features


def untrained(own: FeatureNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same arithmetic on the meta device, to be counted."""
    with torch.device("meta"):
        network = squeezenet1_1(weights=None).features.eval()
    return lambda pixels: network(pixels).mean(dim=(2, 3))
