"""Make low-resolution versions of images, and enlarge them again, for super-resolution.

The degradation of an image depends only on the seed and the image's number. It is that of
Real-ESRGAN (Wang et al. 2021, https://arxiv.org/abs/2107.10833, section 3) as its public code has
it: the second pass resizes to about a quarter of the original, whatever the first one did. Two
things differ: the original is not sharpened first, which is for a GAN's targets, and white has 255
photons in every image, where the public code counts an image's colours. Writes `low` (uint8 [N, 3,
S / 4, S / 4]) and `images` (uint8 [N, 3, S, S], the same enlarged by a bicubic filter). Continues
after an interruption.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image
from scipy.special import j1
from torch.nn import functional

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, Slice, positive
from ..jobs.command import Option, Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.seeds import Stream
from ..jobs.workdir import WorkDir, fingerprint
from ..study.superres import SCALE, Degradation, Disturbance
from ..workflow.specs.superres import DegradeSpec

BATCH = 64
SPLITS = ("train", "validation")
MODES = ("area", "bilinear", "bicubic")
"""of torch's interpolate, without antialiasing"""
SIZES = range(7, 22, 2)
"""of kernels, pixels"""
PLATEAU = 2
EXPONENTS = ((1.0, 1.0), (0.5, 4.0), (1.0, 2.0))
"""of the squared radius: Gaussian, generalized Gaussian and plateau kernels"""
GRAY = torch.tensor([0.2989, 0.5870, 0.1140]).view(1, 3, 1, 1)
"""weights of colours (ITU-R BT.601)"""


def gaussian_kernel(size: int, sigmas: tuple[float, float], angle: float) -> np.ndarray:
    """A Gaussian [size, size] that sums to 1, with two widths along axes rotated by an angle."""
    return _normalized(np.exp(-0.5 * _squared_radius(size, sigmas, angle)))


def sinc_kernel(size: int, cutoff: float) -> np.ndarray:
    """A circular low-pass filter [size, size] that sums to 1; the cutoff is in radians a pixel."""
    radius = np.hypot(*(np.mgrid[:size, :size] - (size - 1) / 2))
    middle = cutoff / (4 * math.pi)  # the limit at radius 0
    bent = j1(cutoff * radius) / (2 * math.pi * np.where(radius, radius, 1))
    return _normalized(np.where(radius, bent, middle))


def _squared_radius(size: int, sigmas: tuple[float, float], angle: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return (along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2


def _normalized(kernel: np.ndarray) -> np.ndarray:
    return kernel / kernel.sum()


def _drawn(draw: np.random.Generator, bounds: Sequence[float]) -> float:
    low, high = bounds
    return draw.uniform(low, high)


def _size(draw: np.random.Generator) -> int:
    return int(draw.choice(SIZES))


def _drawn_kernel(settings: Disturbance, draw: np.random.Generator) -> np.ndarray:
    size = _size(draw)
    if draw.random() < settings.sinc:
        return sinc_kernel(size, draw.uniform(math.pi / (3 if size < 13 else 5), math.pi))
    shape, turned = divmod(int(draw.choice(len(settings.kernels), p=settings.kernels)), 2)
    first, second = np.maximum(draw.uniform(*settings.sigma, size=2), 1e-3)
    widths, angle = (first, second if turned else first), draw.uniform(-math.pi, math.pi)
    squared = _squared_radius(size, widths, angle)
    # half of the exponents lie below 1, where their range reaches so far
    low, high = EXPONENTS[shape]
    bounds = (low, 1) if draw.random() < 0.5 else (1, high)
    exponent = _drawn(draw, bounds)
    if shape == PLATEAU:
        return _normalized(1 / (squared**exponent + 1))
    return _normalized(np.exp(-0.5 * squared**exponent))


def _filtered(image: torch.Tensor, kernel: np.ndarray) -> torch.Tensor:
    middle = len(kernel) // 2
    half = min(middle, min(image.shape[-2:]) - 1)  # reflection needs so many pixels
    inside = slice(middle - half, middle + half + 1)
    weights = torch.from_numpy(_normalized(kernel[inside, inside])).float()
    padded = functional.pad(image, (half,) * 4, mode="reflect")
    return functional.conv2d(padded, weights.expand(3, 1, -1, -1), groups=3)


def _scale(settings: Disturbance, draw: np.random.Generator) -> float:
    """New side divided by old side: above 1, below 1 or 1, by the chances of `resized`."""
    low, high = settings.resize
    kind = draw.choice(3, p=settings.resized)
    return (draw.uniform(1, high), draw.uniform(low, 1), 1.0)[kind]


def _resized(image: torch.Tensor, side: int, draw: np.random.Generator) -> torch.Tensor:
    mode = MODES[draw.integers(len(MODES))]
    return functional.interpolate(image, size=(max(2, side),) * 2, mode=mode)


def _noisy(image: torch.Tensor, settings: Disturbance, draw: np.random.Generator) -> torch.Tensor:
    gray = draw.random() < settings.gray
    if draw.random() < settings.shot:
        strength = _drawn(draw, settings.shot_noise)
        light = (image * GRAY).sum(dim=1, keepdim=True) if gray else image
        photons = (light.clamp(0, 1) * 255).round().numpy()
        noise = strength * (draw.poisson(photons) - photons)
    else:
        shape = (1, 1, *image.shape[2:]) if gray else tuple(image.shape)
        noise = _drawn(draw, settings.noise) * draw.standard_normal(shape)
    return (image + torch.from_numpy(noise).float() / 255).clamp(0, 1)


def _compressed(
    image: torch.Tensor, settings: Disturbance, draw: np.random.Generator
) -> torch.Tensor:
    quality, file = round(_drawn(draw, settings.jpeg)), io.BytesIO()
    Image.fromarray(_pixels(image).transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return _tensor(np.asarray(Image.open(file)).transpose(2, 0, 1))


def _pixels(image: torch.Tensor) -> np.ndarray:
    return (image[0] * 255).round().clamp(0, 255).byte().numpy()


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32))[None] / 255


def degrade(image: np.ndarray, settings: Degradation, draw: np.random.Generator) -> np.ndarray:
    """The low-resolution version, uint8 [3, S / 4, S / 4], of an image uint8 [3, S, S]."""
    side, low, result = image.shape[1], image.shape[1] // SCALE, _tensor(image)
    for one, whole in ((settings.first, side), (settings.second, low)):
        if draw.random() < one.blur:
            result = _filtered(result, _drawn_kernel(one, draw))
        result = _resized(result, int(whole * _scale(one, draw)), draw)
        result = _noisy(result, one, draw)
        if one is settings.first:
            result = _compressed(result, one, draw)

    def shrink(larger: torch.Tensor) -> torch.Tensor:
        smaller = _resized(larger, low, draw)
        if draw.random() >= settings.final_sinc:
            return smaller
        return _filtered(smaller, sinc_kernel(_size(draw), draw.uniform(math.pi / 3, math.pi)))

    if draw.random() < 0.5:
        return _pixels(_compressed(shrink(result), settings.second, draw))
    return _pixels(shrink(_compressed(result, settings.second, draw)))


def enlarged(low: np.ndarray) -> np.ndarray:
    """An image uint8 [3, s, s] at four times the side, by Pillow's bicubic filter."""
    side = low.shape[1] * SCALE
    image = Image.fromarray(low.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1)


def degraded(images: np.ndarray, spec: DegradeSpec, row: int) -> dict[str, np.ndarray]:
    """The arrays of image `row`."""
    seed = (spec.seed, row, SPLITS.index(spec.split), Stream.DEGRADATION)
    low = degrade(images[row], spec.degradation, np.random.default_rng(seed))
    return {"low": low, "images": enlarged(low)}


@command
def main(
    spec: DegradeSpec,
    images: Annotated[Path, "images to degrade"],
    out: Annotated[Path, "file to write"],
    job: Resumable,
    workers: Annotated[int, Option("images at a time (%(default)s)", positive(int))] = 1,
) -> None:
    time_slice, pixels = Slice(job.max_seconds), map_array(images, "images")
    count = len(pixels) if spec.count is None else spec.count
    if count > len(pixels):
        raise InputError(f"{images} has {len(pixels)} images, fewer than superres.n ({count})")

    content = fingerprint(spec, fingerprint_of(images))
    with ThreadPoolExecutor(workers) as pool, WorkDir(job.work_dir, content) as work:

        def compute(rows: slice) -> dict[str, np.ndarray]:
            numbers = range(rows.start, rows.stop)
            done = list(pool.map(partial(degraded, pixels, spec), numbers))
            return {name: np.stack([one[name] for one in done]) for name in done[0]}

        pieces = in_pieces("degrading images", count, BATCH, compute, work, time_slice)
        pieces.finish(out, content)
    print(f"{count} images at a quarter of {pixels.shape[-1]} pixels")
