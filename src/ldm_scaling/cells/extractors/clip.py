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

from ...latents.pretrained import load_frozen
from .standardized import CLIP, standardized


def load(
    device: torch.device | str, weights: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor of a folder on a device. Raises whatever transformers raises."""
    from transformers import CLIPVisionModelWithProjection  # seconds that others need not pay

    network = load_frozen(CLIPVisionModelWithProjection, weights, device)
    return lambda pixels: normalize(network(standardized(pixels, *CLIP)).image_embeds, dim=-1)


def untrained() -> Callable[[torch.Tensor], torch.Tensor]:
    """ViT-L/14 at 336 pixels on the meta device, to be counted."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        image_size=336,
        projection_dim=768,
    )
    with torch.device("meta"):
        network: Any = CLIPVisionModelWithProjection(config).eval()
    return lambda pixels: network(pixels).image_embeds
