"""Which images lie near which, by their features: what fidelity and diversity are counted from.

An image is near another if it is closer than that one's K-th nearest neighbour of its own kind
(Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991; Naeem et al. 2020,
https://arxiv.org/abs/2002.09797). Intervals resample which images are counted; neighbours are those
of the whole samples.
"""

from __future__ import annotations

import numpy as np

from ...jobs.cli import batches
from ..comparison import Prompts, Reference
from .bootstrap import Interval, mean_interval, normalized

K = 5
"""neighbours, as Naeem et al. have it"""
BLOCK = 1024
"""rows of a matrix of distances in memory at a time"""


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances [N, M] of features [N, D] and [M, D]."""
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.maximum(squares, 0)


def squared_radii(features: np.ndarray) -> np.ndarray:
    """The squared distance [N] of each image to its K-th nearest other one.

    Infinite where there are no more than K images.
    """
    if len(features) <= K:
        return np.full(len(features), np.inf)
    found = []
    for rows in batches(len(features), BLOCK):
        block = squared_distances(features[rows], features)
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf  # itself
        found.append(np.partition(block, K - 1, axis=1)[:, K - 1])
    return np.concatenate(found)


def near_real(features: np.ndarray, reference: Reference) -> np.ndarray:
    """To how many real images each sample [n] is near."""
    real, radii = reference.features, reference.once(_radii)
    return np.concatenate(
        [
            (squared_distances(features[rows], real) < radii).sum(axis=1)
            for rows in batches(len(features), BLOCK)
        ]
    )


def covered(features: np.ndarray, reference: Reference) -> np.ndarray:
    """Whether each real image [M] has a sample near it."""
    real, radii = reference.features, reference.once(_radii)
    return np.concatenate(
        [
            (squared_distances(real[rows], features).min(axis=1) < radii[rows])
            for rows in batches(len(real), BLOCK)
        ]
    )


def near_samples(features: np.ndarray, reference: Reference) -> np.ndarray:
    """Whether each real image [M] is near a sample."""
    real, radii = reference.features, squared_radii(features)
    return np.concatenate(
        [
            (squared_distances(real[rows], features) < radii).any(axis=1)
            for rows in batches(len(real), BLOCK)
        ]
    )


def _radii(reference: Reference) -> np.ndarray:
    return squared_radii(reference.features)


def over_samples(values: np.ndarray, prompts: Prompts, confidence: float) -> Interval:
    """The mean of a number of each sample [n]."""
    return mean_interval(values, prompts.weights, confidence)


def over_real(values: np.ndarray, reference: Reference, confidence: float) -> Interval:
    """The mean of a number of each real image [M]."""
    assert reference.counts is not None
    return mean_interval(values, normalized(reference.counts), confidence)
