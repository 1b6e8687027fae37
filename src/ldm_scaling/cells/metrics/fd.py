"""The Frechet distance of a cell's features from the reference's, with its interval.

On principal components every resample's distance is taken, on all dimensions it is linearised.
"""

from __future__ import annotations

import numpy as np

from ..comparison import OnAll, OnComponents, Prompts, Reference
from .bootstrap import BLOCK, Interval, centred_interval, normalized, weighted_statistics
from .frechet import frechet_distance, frechet_distances, square_root, statistics
from .influence import influences, linearised_fd_interval

Gaussians = tuple[np.ndarray, np.ndarray]
"""means [R, k] and symmetric roots of covariances [R, k, k]"""


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The distance of features [n, D] of the prompts from the reference."""
    own = reference.gaussian
    if isinstance(own, OnAll):
        return linearised_fd_interval(features, reference, prompts, confidence)
    given = (own.project(features), own.mu, square_root(own.sigma), prompts.weights)
    return fd_interval(*given, confidence, reference.once(resampled_gaussians))


def resampled_gaussians(reference: Reference) -> Gaussians:
    """The reference on its components in each resample: means [R, k], roots [R, k, k]."""
    own = reference.gaussian
    assert isinstance(own, OnComponents) and reference.counts is not None
    features, weights = own.project(reference.features), normalized(reference.counts)
    blocks = [
        weighted_statistics(features, weights[start : start + BLOCK])
        for start in range(0, len(weights), BLOCK)
    ]
    return (
        np.concatenate([means for means, _ in blocks]),
        np.concatenate([square_root(sigmas) for _, sigmas in blocks]),
    )


def value(features: np.ndarray, reference: Reference) -> float:
    """The distance alone."""
    own = reference.gaussian
    if isinstance(own, OnAll):
        return influences(features, *own)[0]
    return frechet_distance(own.mu, own.sigma, *statistics(own.project(features)))


def fd_interval(
    features: np.ndarray,
    mu: np.ndarray,
    root: np.ndarray,
    weights: np.ndarray,
    confidence: float,
    resampled: Gaussians | None = None,
) -> Interval:
    """Frechet distance of features [n, k] from the reference's mean [k] and root covariance [k, k].

    Weights [R, n] are those of resamples; `resampled` has the reference's Gaussian in each of them,
    None where it is the same in all. Raises InputError if a feature is not finite.
    """
    mean, sigma = statistics(features)
    value = float(frechet_distances(mu, root, mean[None], sigma[None])[0])
    mus, roots = resampled or (mu[None], root[None])
    found = []
    for start in range(0, len(weights), BLOCK):
        rows = slice(start, start + BLOCK) if resampled else slice(0, 1)
        own = weighted_statistics(features, weights[start : start + BLOCK])
        found.append(frechet_distances(mus[rows], roots[rows], *own))
    return centred_interval(value, np.concatenate(found), confidence)
