"""The Frechet distance that an endless sample would have, from the features of a finite one.

Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023: the distance of N images from a reference
is biased by about b / N, and b depends on the model, so that a bias may rank models wrongly. The
distances of smaller samples show b; a line through them over 1 / N has the unbiased value at 0.
What remains is the bias of the reference's own finite sample, which all cells share, and terms of
higher order in (dimensions / N).

A sample is divided at random into equal parts, which have 1, 2, 3 and 4 times its 1 / N. Each
division uses every image once, so that what single images do to a distance cancels out of the
slope, to first order. Whole concepts are divided: images of one concept vary together, and a part
of so many concepts is a sample of its own only if it has them whole. N counts concepts for the
same reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..comparison import OnAll, Prompts, Reference
from .bootstrap import BLOCK, Interval, centred_interval, weighted_statistics
from .divisions import PARTS, Divisions
from .frechet import frechet_distances
from .influence import influence_interval, influences

_REPEATS = 16
"""random divisions behind a value on principal components; each resample has one of its own"""


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The extrapolated distance of features [n, D] of the prompts from the reference."""
    own, divisions = reference.gaussian, prompts.divisions
    if isinstance(own, OnAll):
        given = (features, own.mu, own.root, prompts.concepts, prompts.weights)
        return linearised_fd_infinity_interval(*given, divisions, confidence)
    given = (own.project(features), own.mu, own.sigma, prompts.weights, divisions, confidence)
    return fd_infinity_interval(*given)


def fd_infinity_interval(
    features: np.ndarray,
    mu: np.ndarray,
    sigma: np.ndarray,
    weights: np.ndarray,
    divisions: Divisions,
    confidence: float,
) -> Interval:
    """The extrapolated distance of features [n, k] from a mean [k] and covariance [k, k].

    Weights [R, n] are those of `resample_weights`. It may be below 0, as KID may.
    Raises InputError if a feature is not finite.
    """

    def extrapolated(parts: np.ndarray) -> np.ndarray:
        rows = parts.reshape(-1, len(features))
        distances = [
            frechet_distances(mu, sigma, *weighted_statistics(features, rows[at : at + BLOCK]))
            for at in range(0, len(rows), BLOCK)
        ]
        return np.concatenate(distances).reshape(-1, PARTS) @ divisions.coefficients()

    value = float(extrapolated(divisions.of_sample(_REPEATS)).mean())
    return centred_interval(value, extrapolated(divisions.of_resamples(weights)), confidence)


def linearised_fd_infinity_interval(
    features: np.ndarray,
    mu: np.ndarray,
    root: np.ndarray,
    concepts: Sequence[str],
    weights: np.ndarray,
    divisions: Divisions,
    confidence: float,
) -> Interval:
    """The extrapolated distance of features [n, D] from a mean [D] and root covariance [D, D].

    For many dimensions, as in `linearised_fd_interval`. It uses one division only, since each
    part takes as long as a whole distance.
    """
    n = len(features)
    value, influence = 0.0, np.zeros(n)
    (parts,) = divisions.of_sample(1)
    for coefficient, part in zip(divisions.coefficients(), parts > 0, strict=True):
        distance, own = influences(features[part], mu, root)
        value += coefficient * distance
        influence[part] += coefficient * n / len(own) * own
    return influence_interval(value, influence, concepts, weights, confidence)
