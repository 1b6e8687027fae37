"""The Frechet distance of a cell's features from the reference's, with its interval.

On principal components every resample's distance is taken, on all dimensions it is linearised.
"""

from __future__ import annotations

import numpy as np

from ..comparison import OnAll, Prompts, Reference
from .bootstrap import BLOCK, Interval, centred_interval, weighted_statistics
from .frechet import frechet_distance, frechet_distances, statistics
from .influence import influences, linearised_fd_interval


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The distance of features [n, D] of the prompts from the reference."""
    own = reference.gaussian
    if isinstance(own, OnAll):
        given = (features, own.mu, own.root, prompts.concepts, prompts.weights)
        return linearised_fd_interval(*given, confidence)
    return fd_interval(own.project(features), own.mu, own.sigma, prompts.weights, confidence)


def value(features: np.ndarray, reference: Reference) -> float:
    """The distance alone."""
    own = reference.gaussian
    if isinstance(own, OnAll):
        return influences(features, *own)[0]
    return frechet_distance(own.mu, own.sigma, *statistics(own.project(features)))


def fd_interval(
    features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, weights: np.ndarray, confidence: float
) -> Interval:
    """Frechet distance of features [n, k] from the reference's mean [k] and covariance [k, k].

    Weights [R, n] are those of `resample_weights`. Raises InputError if a feature is not finite.
    """
    value = frechet_distance(mu, sigma, *statistics(features))
    resampled = [
        frechet_distances(mu, sigma, *weighted_statistics(features, weights[start : start + BLOCK]))
        for start in range(0, len(weights), BLOCK)
    ]
    return centred_interval(value, np.concatenate(resampled), confidence)
