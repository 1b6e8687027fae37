"""How alike an image and its original are: PSNR, SSIM and a perceptual distance."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import torch

from ...jobs.arrays import map_array
from ...jobs.cli import InputError, batches
from ...latents.autoencoder import psnr
from ...study.superres import PSNR, SSIM
from .perceptual import Distance, load_distance

BATCH = 64
_SIGMA, _WINDOW = 1.5, 11  # of Wang et al. 2004
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def _smoothed(images: np.ndarray) -> np.ndarray:
    """Gaussian means [..., S - 10, S - 10] of numbers [..., S, S]; only whole windows."""
    places = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-0.5 * (places / _SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (-1, -2):
        windows = np.lib.stride_tricks.sliding_window_view(images, _WINDOW, axis=axis)
        images = windows @ weights
    return images


def ssim(images: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Structural similarity [B] of uint8 images [B, 3, S, S], S of 11 or more.

    Mean over colours and all places of a Gaussian window of 11 pixels, width 1.5 (Wang et al. 2004,
    https://doi.org/10.1109/TIP.2003.819861, equation 13).
    """
    x, y = images.astype(np.float64), originals.astype(np.float64)
    mean_x, mean_y = _smoothed(x), _smoothed(y)
    squares = mean_x**2 + mean_y**2
    product = mean_x * mean_y
    variances = _smoothed(x**2) + _smoothed(y**2) - squares
    covariance = _smoothed(x * y) - product
    likeness = (2 * product + _C1) * (2 * covariance + _C2)
    return (likeness / ((squares + _C1) * (variances + _C2))).mean(axis=(1, 2, 3))


class Fidelity:
    """Compares images with the originals of their rows."""

    def __init__(self, originals: np.ndarray, distance: Distance, perceptual: str):
        """`perceptual` is the name of the distance in tables."""
        self._originals = originals
        self._measures = {PSNR: psnr, SSIM: ssim, perceptual: distance}

    def __call__(self, images: np.ndarray, rows: slice) -> dict[str, np.ndarray]:
        """Each metric, float32 [B], of uint8 images [B, 3, S, S] of these rows."""
        originals, parts = self._originals[rows], batches(len(images), BATCH)
        pairs = [(images[own], originals[own]) for own in parts]
        return {
            name: np.concatenate([measure(*pair) for pair in pairs]).astype(np.float32)
            for name, measure in self._measures.items()
        }


def load_fidelity(name: str, options: Namespace, n: int, device: torch.device | str) -> Fidelity:
    """What compares n images, from a command's --originals and --perceptual.

    Raises InputError if one is missing or unusable, or if there are fewer originals.
    """
    for option in ("originals", "perceptual"):
        if getattr(options, option) is None:
            raise InputError(f"super-resolution: --{option} FILE is needed")
    path: Path = options.originals
    originals = map_array(path, "images")
    if len(originals) < n:
        raise InputError(f"{path} has {len(originals)} images, fewer than {n}")
    return Fidelity(originals, load_distance(name, options.perceptual, device), name)
