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

import numpy as np

from ..comparison import OnAll, Prompts, Reference
from .bootstrap import BLOCK, Interval, centred_interval, weighted_statistics
from .divisions import PARTS, Divisions
from .fd import Gaussians, resampled_gaussians
from .frechet import frechet_distances, square_root
from .influence import influence_interval, influences, reference_influences

_REPEATS = 16
"""random divisions behind a value on principal components; each resample has one of its own"""
_LEAST = 8
"""images for each dimension"""
_RESAMPLES = 200
"""of an interval on principal components, the first of all: each takes ten distances"""


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval | None:
    """The extrapolated distance of features [n, D] of the prompts from the reference.

    None for fewer than `_LEAST` images a dimension: terms of higher order in D / n would bend the
    line, and the extrapolated value and its interval miss the truth.
    """
    own, divisions = reference.gaussian, prompts.divisions
    if len(features) < _LEAST * len(own.mu):
        return None
    if isinstance(own, OnAll):
        return linearised_fd_infinity_interval(features, reference, prompts, confidence)
    mus, roots = reference.once(resampled_gaussians)
    few = (mus[:_RESAMPLES], roots[:_RESAMPLES])
    given = (own.project(features), own.mu, square_root(own.sigma), prompts.counts[:_RESAMPLES])
    return fd_infinity_interval(*given, divisions, confidence, few)


def fd_infinity_interval(
    features: np.ndarray,
    mu: np.ndarray,
    root: np.ndarray,
    counts: np.ndarray,
    divisions: Divisions,
    confidence: float,
    resampled: Gaussians | None = None,
) -> Interval:
    """The extrapolated distance of features [n, k] from a mean [k] and root covariance [k, k].

    Counts [R, n] are those of `resample_counts`, `resampled` as in `fd_interval`. The distance may
    be below 0, as KID may. Raises InputError if a feature is not finite.
    """

    def extrapolated(parts: np.ndarray, gaussians: Gaussians | None) -> np.ndarray:
        rows = parts.reshape(-1, len(features))
        mus, roots = gaussians or (mu[None], root[None])
        distances = []
        for at in range(0, len(rows), BLOCK):
            own = weighted_statistics(features, rows[at : at + BLOCK])
            number = np.arange(at, at + len(own[0])) // PARTS if gaussians else [0]
            distances.append(frechet_distances(mus[number], roots[number], *own))
        return np.concatenate(distances).reshape(-1, PARTS) @ divisions.coefficients()

    value = float(extrapolated(divisions.of_sample(_REPEATS), None).mean())
    draws = extrapolated(divisions.of_resamples(counts), resampled)
    return centred_interval(value, draws, confidence)


def linearised_fd_infinity_interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The extrapolated distance of features [n, D] from a reference on all dimensions.

    For many dimensions, as in `linearised_fd_interval`. It uses one division only, since each
    part takes as long as a whole distance. A part's real images are those of the whole.
    """
    own, n = reference.gaussian, len(features)
    assert isinstance(own, OnAll)
    value, influence = 0.0, np.zeros(n)
    (parts,) = prompts.divisions.of_sample(1)
    for coefficient, part in zip(prompts.divisions.coefficients(), parts > 0, strict=True):
        distance, of_part = influences(features[part], *own)
        value += coefficient * distance
        influence[part] += coefficient * n / len(of_part) * of_part
    real = reference_influences(features, reference)
    return influence_interval(value, influence, real, reference, prompts, confidence)
