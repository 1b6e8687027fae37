"""Resize images that are compared, real and generated ones alike."""

from __future__ import annotations

import numpy as np
from PIL import Image


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Images [..., S, S], uint8, at another side, as clean-fid resizes: [..., side, side], uint8.

    Parmar et al. 2022, https://arxiv.org/abs/2104.11222: each channel by an antialiased bicubic
    filter in float32. Here the result is rounded to 8 bits.
    """
    channels = images.astype(np.float32).reshape(-1, *images.shape[-2:])
    small = [
        np.asarray(Image.fromarray(own).resize((side, side), Image.Resampling.BICUBIC))
        for own in channels
    ]
    found = np.stack(small).clip(0, 255).round().astype(np.uint8)
    return found.reshape(*images.shape[:-2], side, side)
