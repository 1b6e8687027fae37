"""DINOv2, trained without labels; the class token after the last normalisation.

Oquab et al. 2023, https://arxiv.org/abs/2304.07193. Frechet distances on its ViT-L/14 agree better
with people than those on Inception-v3 (Stein et al. 2023, https://arxiv.org/abs/2306.04675).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...latents.pretrained import load_frozen
from ...study.metrics import FeatureNetwork
from .folder import configuration
from .standardized import IMAGENET, standardized


def load(
    device: torch.device | str, weights: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor of a folder on a device. Raises whatever transformers raises."""
    from transformers import Dinov2Model  # seconds of import that other studies need not pay

    network = load_frozen(Dinov2Model, weights, device)
    return lambda pixels: network(standardized(pixels, *IMAGENET)).pooler_output


def untrained(own: FeatureNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
    """The folder's network on the meta device, to be counted; before it is there, ViT-L/14.

    Raises InputError if the folder's configuration cannot be read.
    """
    from transformers import Dinov2Config, Dinov2Model

    large = Dinov2Config(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        image_size=518,
    )
    with torch.device("meta"):
        network: Any = Dinov2Model(configuration(own, large)).eval()
    return lambda pixels: network(pixels).pooler_output
