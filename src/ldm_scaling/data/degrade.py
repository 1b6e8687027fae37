"""Make low-resolution versions of images, and enlarge them again, for super-resolution.

The degradation of an image depends only on the seed and the image's number. It has the two passes
of Real-ESRGAN (Wang et al. 2021, https://arxiv.org/abs/2107.10833, section 3), without its sinc
filter and with Gaussian kernels only. Writes `low` (uint8 [N, 3, S / 4, S / 4]) and `images` (uint8
[N, 3, S, S], the same enlarged by a bicubic filter). Continues after an interruption.
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
from PIL import Image

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
FILTERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def gaussian_kernel(sigmas: tuple[float, float], angle: float) -> np.ndarray:
    """A Gaussian [k, k] that sums to 1, with two widths along axes rotated by an angle."""
    half = max(1, math.ceil(3 * max(sigmas)))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2))
    return kernel / kernel.sum()


def _drawn(draw: np.random.Generator, bounds: Sequence[float]) -> float:
    low, high = bounds
    return draw.uniform(low, high)


def _blurred(image: np.ndarray, settings: Disturbance, draw: np.random.Generator) -> np.ndarray:
    first, second = np.maximum(draw.uniform(*settings.sigma, size=2), 1e-3)
    angle, turned = draw.uniform(0, math.pi), draw.random() < settings.anisotropic
    if draw.random() >= settings.blur:
        return image
    kernel = gaussian_kernel((first, second if turned else first), angle)
    half = min(len(kernel) // 2, min(image.shape[1:]) - 1)  # reflection needs so many pixels
    middle = len(kernel) // 2
    kernel = kernel[middle - half : middle + half + 1, middle - half : middle + half + 1]
    padded = np.pad(image, ((0, 0), (half, half), (half, half)), mode="reflect")
    side, result = image.shape[1], np.zeros_like(image)
    for (down, right), weight in np.ndenumerate(kernel / kernel.sum()):
        result += weight * padded[:, down : down + side, right : right + side]
    return result


def resized(image: np.ndarray, side: int, kind: Image.Resampling) -> np.ndarray:
    """An image [3, s, s] of floats resized to another side, with antialiasing."""
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in image]
    return np.stack([np.asarray(c.resize((side, side), kind), np.float64) for c in channels])


def _noisy(image: np.ndarray, settings: Disturbance, draw: np.random.Generator) -> np.ndarray:
    shape = (1, *image.shape[1:]) if draw.random() < settings.gray else image.shape
    if draw.random() < settings.shot:
        strength = _drawn(draw, settings.shot_noise)
        light = image.mean(axis=0, keepdims=True) if shape[0] == 1 else image
        return image + strength * (draw.poisson(light.clip(0, 255)) - light.clip(0, 255))
    return image + _drawn(draw, settings.noise) * draw.standard_normal(shape)


def _compressed(image: np.ndarray, settings: Disturbance, draw: np.random.Generator) -> np.ndarray:
    quality, file = round(_drawn(draw, settings.jpeg)), io.BytesIO()
    Image.fromarray(_pixels(image).transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float64).transpose(2, 0, 1)


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def degrade(image: np.ndarray, settings: Degradation, draw: np.random.Generator) -> np.ndarray:
    """The low-resolution version, uint8 [3, S / 4, S / 4], of an image uint8 [3, S, S]."""
    side, result = image.shape[1], image.astype(np.float64)
    for one in (settings.first, settings.second):
        result = _blurred(result, one, draw)
        wanted = max(2, round(result.shape[1] * _drawn(draw, one.resize)))
        result = resized(result, wanted, FILTERS[draw.integers(len(FILTERS))])
        result = _noisy(result, one, draw).clip(0, 255)
        if one is settings.first:
            result = _compressed(result, one, draw)
    shrink = partial(resized, side=side // SCALE, kind=FILTERS[draw.integers(len(FILTERS))])
    if draw.random() < 0.5:
        return _pixels(_compressed(shrink(result), settings.second, draw))
    return _pixels(shrink(_compressed(result, settings.second, draw)))


def enlarged(low: np.ndarray) -> np.ndarray:
    """An image uint8 [3, s, s] at four times the side, by Pillow's bicubic filter."""
    side = low.shape[1] * SCALE
    image = Image.fromarray(low.transpose(1, 2, 0)).resize((side, side), FILTERS[-1])
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
