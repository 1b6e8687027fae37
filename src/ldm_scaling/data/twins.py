"""Near twins: held-out images that are almost a training image, so that a model may have seen them.

Groups of concepts keep variants of one drawing in one split; what is left is measured here.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

THRESHOLD = 20
"""root mean squared difference of two images, of 255, below which they are near twins"""
SIDE = 32
"""pixels at which images are compared"""
_BLOCK = 512


def twins(held_out: np.ndarray, training: np.ndarray) -> int:
    """How many images, uint8 [N, 3, S, S], have a near twin among training images [M, 3, S, S]."""
    known = _shrunk(training)
    squares = (known**2).mean(axis=1)
    found = 0
    for start in range(0, len(held_out), _BLOCK):
        own = _shrunk(held_out[start : start + _BLOCK])
        # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b
        products = own @ known.T / own.shape[1]
        apart = (own**2).mean(axis=1)[:, None] + squares - 2 * products
        found += int((apart.min(axis=1) < THRESHOLD**2).sum())
    return found


def _shrunk(images: np.ndarray) -> np.ndarray:
    """Images as rows [N, 3 * side * side] of at most SIDE pixels a side, float32."""
    if images.shape[-1] > SIDE:
        images = np.stack([_small(np.asarray(image)) for image in images])
    return np.asarray(images, dtype=np.float32).reshape(len(images), -1)


def _small(image: np.ndarray) -> np.ndarray:
    pixels = Image.fromarray(image.transpose(1, 2, 0))
    return np.asarray(pixels.resize((SIDE, SIDE), Image.Resampling.BOX)).transpose(2, 0, 1)
