"""The kernel inception distance on any features: an unbiased squared MMD.

Binkowski et al. 2018, https://arxiv.org/abs/1801.01401, section 4, with the cubic polynomial
kernel k(x, y) = (x.y / D + 1)^3. Its value may be negative. It is a sum of three means of kernel
values; weights on the images cost hardly more than none, which makes the bootstrap cheap.
"""

from __future__ import annotations

import numpy as np

from ...jobs.cli import InputError, batches
from ..comparison import Prompts, Reference
from .bootstrap import Interval, centred_interval, normalized

BLOCK = 1024
"""rows of a kernel matrix in memory at a time"""


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kernel matrix [N, M] of features [N, D] and [M, D], in float64."""
    product = x.astype(np.float64) @ y.astype(np.float64).T
    return (product / x.shape[1] + 1) ** 3


def within(features: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean kernel value [R] over pairs of different images, for R weightings [R, N] of them.

    sum over i != j of w_i w_j k_ij / sum over i != j of w_i w_j: an image drawn twice is no pair
    with itself, so that resampling does not bias the mean. No weights are one row of ones.
    Raises InputError for fewer than two images.
    """
    if len(features) < 2:
        raise InputError(f"kid needs at least two images, not {len(features)}")
    if weights is None:
        weights = np.ones((1, len(features)))
    total = np.zeros(len(weights))
    for rows in batches(len(features), BLOCK):
        block = kernel(features[rows], features)
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0
        total += ((weights[:, rows] @ block) * weights).sum(axis=1)
    return total / (weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1))


def across(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean kernel value [N] of each image with those of the reference, [N, D] and [M, D]."""
    return np.concatenate(
        [kernel(features[rows], reference).mean(axis=1) for rows in batches(len(features), BLOCK)]
    )


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The KID of features [n, D] of the prompts from the reference."""
    real, weights = reference.once(_resampled_pairs), prompts.weights
    counts = reference.counts
    assert counts is not None
    return kid_interval(features, reference.features, real, weights, normalized(counts), confidence)


def value(features: np.ndarray, reference: Reference) -> float:
    """The KID alone."""
    own, other = within(features)[0], across(features, reference.features).mean()
    return float(own - 2 * other + reference.once(_pairs))


def _pairs(reference: Reference) -> float:
    """Mean kernel value of two different images of the reference."""
    return float(within(reference.features)[0])


def _resampled_pairs(reference: Reference) -> np.ndarray:
    """The same [1 + R], then in each resample."""
    assert reference.counts is not None
    return within(reference.features, _with_ones(normalized(reference.counts)))


def _with_ones(weights: np.ndarray) -> np.ndarray:
    """Weights [1 + R, n]; the first row gives the value itself."""
    return np.concatenate([np.ones((1, weights.shape[1])), weights])


def kid_interval(
    features: np.ndarray,
    reference: np.ndarray,
    reference_pairs: np.ndarray,
    weights: np.ndarray,
    reference_weights: np.ndarray,
    confidence: float,
) -> Interval:
    """KID of features [n, D] from the reference [M, D].

    `reference_pairs` is `within(reference)` [1 + R], the same for all cells; weights [R, n] and
    [R, M] are those of resamples.
    """
    n, rows, real = len(features), _with_ones(weights), _with_ones(reference_weights)
    between = np.zeros(len(rows))
    for part in batches(n, BLOCK):
        between += ((rows[:, part] @ kernel(features[part], reference)) * real).sum(axis=1)
    values = within(features, rows) - 2 * between / (n * len(reference)) + reference_pairs
    return centred_interval(float(values[0]), values[1:], confidence)
