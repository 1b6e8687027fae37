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

from ...jobs.cli import InputError
from .bootstrap import BLOCK, Interval, centred_interval, weighted_statistics
from .frechet import frechet_distances
from .influence import influence_interval, influences

DIVISIONS = (1, 2, 3, 4)
"""into how many equal parts a sample is divided"""
PARTS = sum(DIVISIONS)
_REPEATS = 16
"""random divisions behind a value on principal components; each resample has one of its own"""
_FEWEST = 2 * max(DIVISIONS)
"""concepts of a sample, two for the smallest part"""


class Divisions:
    """Random divisions of a sample's images, by their concepts [n].

    Raises InputError if a part would have too few concepts.
    """

    def __init__(self, concepts: Sequence[str], seed: int):
        names, self._concept_of = np.unique(np.asarray(concepts), return_inverse=True)
        self._count, self._seed = len(names), seed
        if self._count < _FEWEST:
            raise InputError(
                f"FD-infinity needs prompts of at least {_FEWEST} concepts, not"
                f" {self._count}; raise sampling.n"
            )

    def coefficients(self) -> np.ndarray:
        """What each part's distance counts in the extrapolated one: [PARTS], their sum is 1.

        The intercept of the least-squares line through the mean distances of each division.
        """
        places = [
            np.mean([1 / len(part) for part in np.array_split(range(self._count), parts)])
            for parts in DIVISIONS
        ]
        line = np.linalg.pinv(np.column_stack([np.ones(len(places)), places]))
        return np.repeat(line[0] / DIVISIONS, DIVISIONS)

    def of_sample(self, repeats: int) -> np.ndarray:
        """How often each image is in each part, of random divisions: [repeats, PARTS, n]."""
        return self.of_resamples(np.ones((repeats, len(self._concept_of))))

    def of_resamples(self, weights: np.ndarray) -> np.ndarray:
        """The same of resamples, a division of each: [R, PARTS, n] for weights [R, n].

        Weights are those of `resample_weights`. A resample is divided as a sample is: the concepts
        that were drawn, some of them several times, in random order.
        """
        generator = np.random.default_rng((self._seed, self._count))
        first = np.unique(self._concept_of, return_index=True)[1]
        drawn = weights[:, first]
        drawn = np.rint(drawn * (self._count / drawn.sum(axis=1, keepdims=True))).astype(int)
        return np.array([self._divided(counts, generator) for counts in drawn])

    def _divided(self, counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        order = generator.permutation(np.repeat(np.arange(self._count), counts))
        parts = [part for parts in DIVISIONS for part in np.array_split(order, parts)]
        shares = [np.bincount(part, minlength=self._count) for part in parts]
        return np.array(shares, dtype=np.float64)[:, self._concept_of]


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
    """The same of features [n, D] from a reference's mean [D] and root covariance [D, D].

    On many dimensions, as `linearised_fd_interval`: of one division, as each part takes what a
    distance takes.
    """
    n = len(features)
    value, influence = 0.0, np.zeros(n)
    (parts,) = divisions.of_sample(1)
    for coefficient, part in zip(divisions.coefficients(), parts > 0, strict=True):
        distance, own = influences(features[part], mu, root)
        value += coefficient * distance
        influence[part] += coefficient * n / len(own) * own
    return influence_interval(value, influence, concepts, weights, confidence)
