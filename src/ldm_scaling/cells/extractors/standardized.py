"""What vision transformers take: pixels whose channels have mean 0 and variance 1."""

from __future__ import annotations

import torch

Channels = tuple[float, float, float]

IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""mean and standard deviation of ImageNet's images"""
CLIP: tuple[Channels, Channels] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
"""those of the images that CLIP was trained on"""


def standardized(pixels: torch.Tensor, mean: Channels, deviation: Channels) -> torch.Tensor:
    """Images [B, 3, s, s] in [0, 255], less a mean in [0, 1] and divided by a deviation."""
    shape = (1, 3, 1, 1)
    return (pixels / 255 - pixels.new_tensor(mean).view(shape)) / pixels.new_tensor(deviation).view(
        shape
    )
