"""Intervals of the metrics by resampling images, concept by concept.

All cells of the same n use the same resamples (common random numbers), so that differences between
cells vary less than the cells do. Real images that cells are compared with are a sample too: those
of a concept are drawn as often as its prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 256
"""resamples in memory at a time"""


class Interval(NamedTuple):
    """A value between the ends of its confidence interval."""

    value: float
    lo: float
    hi: float
    draws: np.ndarray
    """[R], its bootstrap replicates without their common bias; the same resamples for every
    cell, so that a difference of two cells has the differences of their draws"""


def resample_counts(concepts: Sequence[str], resamples: int, seed: int) -> np.ndarray:
    """How often each of n images is in each resample: int64, [resamples, n].

    Whole concepts are drawn, with all of their images: prompts that name one thing in several
    styles give images that vary together, and drawing images one by one would understate by how
    much. Depends on the arguments only.
    """
    names, concept_of = np.unique(np.asarray(concepts), return_inverse=True)
    generator = np.random.default_rng((seed, len(names)))
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return drawn[:, concept_of]


def normalized(counts: np.ndarray) -> np.ndarray:
    """Weights of images in resamples, float64, [resamples, n]; rows sum to n."""
    return counts * (counts.shape[1] / counts.sum(axis=1, keepdims=True))


def weighted_statistics(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`statistics` of every resample: means [R, k] and covariances [R, k, k].

    Features are [n, k] and weights [R, n]; the sum of a row is how many images it stands for.
    """
    features = features.astype(np.float64)
    counts = weights.sum(axis=1)[:, None]
    means = weights @ features / counts
    squares = np.stack([(features.T * row) @ features for row in weights])
    own = counts[:, :, None] * means[:, :, None] * means[:, None, :]
    return means, (squares - own) / (counts[:, :, None] - 1)


def centred_interval(value: float, resampled: np.ndarray, confidence: float) -> Interval:
    """The spread of resampled values around a value, without their bias; lo <= value <= hi.

    Resamples hold fewer distinct images, which raises a Frechet distance; only the deviations
    from their own mean are used. Where a few outliers drag that mean beyond a quantile, the
    interval ends at the value.
    """
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(resampled, [tail, 1 - tail]) - resampled.mean()
    draws = value + (resampled - resampled.mean())
    return Interval(value, float(value + min(lo, 0)), float(value + max(hi, 0)), draws)


def percentile_interval(value: float, resampled: np.ndarray, confidence: float) -> Interval:
    """A value between the quantiles of resampled values as they are, without those that are nan.

    For what has a bound, such as a share or a distance, which draws must not cross.
    """
    tail = (1 - confidence) / 2
    lo, hi = np.nanquantile(resampled, [tail, 1 - tail])
    return Interval(value, float(min(lo, value)), float(max(hi, value)), resampled)


def mean_interval(values: np.ndarray, weights: np.ndarray, confidence: float) -> Interval:
    """Mean of values [n]; weights [R, n] are those of resamples."""
    values = values.astype(np.float64)
    return centred_interval(float(values.mean()), weights @ values / len(values), confidence)
