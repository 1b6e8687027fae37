"""The image tower of a CLIP model; unit vectors, as CMMD has them.

Radford et al. 2021, https://arxiv.org/abs/2103.00020; Jayasumana et al. 2024,
https://arxiv.org/abs/2401.09603, which takes ViT-L/14 at 336 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from ...jobs.cli import InputError
from ...latents.pretrained import load_frozen
from ...study.metrics import FeatureNetwork
from .folder import configuration
from .standardized import CLIP, standardized


def load(
    device: torch.device | str, weights: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor of a folder on a device. Raises whatever transformers raises."""
    from transformers import CLIPVisionModelWithProjection  # seconds that others need not pay

    network = load_frozen(CLIPVisionModelWithProjection, weights, device)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        _check(network.config, pixels.shape[-1])
        return normalize(network(standardized(pixels, *CLIP)).image_embeds, dim=-1)

    return features


def untrained(own: FeatureNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
    """The folder's network on the meta device, to be counted.

    Before the folder is there, ViT-L/14 of the study's side. Raises InputError if the folder's
    configuration cannot be read, or is of a network of another side.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    large = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        image_size=own.input_size,
        projection_dim=768,
    )
    config = configuration(own, large)
    _check(config, own.input_size)
    with torch.device("meta"):
        network: Any = CLIPVisionModelWithProjection(config).eval()
    return lambda pixels: network(pixels).image_embeds


def _check(config: Any, side: int) -> None:
    if side != config.image_size:
        raise InputError(
            f"metrics.extractors: clip: input_size is {side}, but the network takes"
            f" {config.image_size} pixels; set {config.image_size}"
        )
