"""The interval of a Frechet distance on many dimensions, linearised instead of resampled.

A bootstrap takes the covariance and its eigenvalues for every resample, which is out of reach for
FID: 2,048 dimensions of 30,000 images. Here each image's influence, the derivative of the distance
with respect to its weight, is taken once, and the sums of influences over concepts give the
standard error (the infinitesimal jackknife: Efron 1982, "The Jackknife, the Bootstrap and Other
Resampling Plans", chapter 6). It holds where the distance is nearly linear in the weights: for n
well above the number of dimensions.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from ...jobs.cli import InputError
from ..comparison import OnAll, Prompts, Reference
from .bootstrap import Interval, normalized
from .frechet import require_finite, square_root, statistics


def influences(features: np.ndarray, mu: np.ndarray, root: np.ndarray) -> tuple[float, np.ndarray]:
    """The distance of features [n, D] from N(mu, S S), and the influence [n] of each on it.

    The reference's covariance is given by its symmetric root S [D, D]. Weights w that sum to n
    change the distance by (w @ influences) / n, to first order. With m and C the features' mean and
    unbiased covariance, the influence of x is
    2 (m - mu).(x - m) + n / (n - 1) (x - m)'(I - T)(x - m) - tr((I - T) C); all sum to 0.
    T = S (S C S)^(-1/2) S is the optimal transport map from N(m, C) to N(mu, S S), the derivative
    of 2 tr (S C S)^(1/2); directions that S C S lacks are left out of it.
    Raises InputError if anything is not finite.
    """
    n, dimensions = features.shape
    mean, covariance = statistics(features)
    require_finite(mu, root, mean, covariance)
    values, vectors = np.linalg.eigh(root @ covariance @ root)
    traces = np.trace(covariance) + (root**2).sum()
    distance = ((mean - mu) ** 2).sum() + traces - 2 * np.sqrt(values.clip(min=0)).sum()
    there = values > values.max() * dimensions * np.finfo(np.float64).eps
    transport = root @ (vectors[:, there] / values[there] ** 0.25)  # T is this times its transpose
    centred = features.astype(np.float64) - mean
    squares = (centred**2).sum(axis=1) - ((centred @ transport) ** 2).sum(axis=1)
    linear = 2 * centred @ (mean - mu)
    return float(distance), linear + (squares - squares.mean()) * (n / (n - 1))


def reference_influences(features: np.ndarray, reference: Reference) -> np.ndarray:
    """The influence [M] of each real image on the distance of features [n, D] from them."""
    mean, covariance = statistics(features)
    require_finite(mean, covariance)
    return influences(reference.features, mean, square_root(covariance))[1]


def linearised_fd_interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """Frechet distance of features [n, D] from a reference on all dimensions.

    Images of one concept vary together, on both sides. The draws are those of the resamples, to
    first order. A distance is not negative, nor is the interval.
    Raises InputError if a feature is not finite, or if there is one concept only.
    """
    own = reference.gaussian
    assert isinstance(own, OnAll)
    value, influence = influences(features, *own)
    real = reference_influences(features, reference)
    interval = influence_interval(value, influence, real, reference, prompts, confidence)
    return interval._replace(lo=max(interval.lo, 0.0))


def influence_interval(
    value: float,
    influence: np.ndarray,
    real: np.ndarray,
    reference: Reference,
    prompts: Prompts,
    confidence: float,
) -> Interval:
    """The interval of a value on which images have influences [n], and real images [M].

    As `influences` has them. Raises InputError if there is one concept only.
    """
    assert reference.concepts is not None and reference.counts is not None
    every = np.concatenate([np.asarray(prompts.concepts), np.asarray(reference.concepts)])
    _, concept_of = np.unique(every, return_inverse=True)
    shares = np.concatenate([influence / len(influence), real / len(real)])
    sums = np.bincount(concept_of, weights=shares)
    if len(sums) < 2:
        raise InputError("an interval needs prompts of at least two concepts")
    variance = (sums**2).sum() * len(sums) / (len(sums) - 1)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt(variance)
    weights = np.hstack([prompts.weights, normalized(reference.counts)])
    drawn = (weights - 1) @ shares
    draws = value + (drawn - drawn.mean())
    return Interval(value, float(value - half), float(value + half), draws)
