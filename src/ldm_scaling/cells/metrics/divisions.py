"""Random divisions of a sample into smaller ones, by concepts; what for says fd_infinity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...jobs.cli import InputError
from ...study.metrics import FEWEST_CONCEPTS

DIVISIONS = (1, 2, 3, 4)
"""into how many equal parts a sample is divided"""
PARTS = sum(DIVISIONS)


class Divisions:
    """Random divisions of a sample's images, by their concepts [n].

    Raises InputError if a part would have too few concepts.
    """

    def __init__(self, concepts: Sequence[str], seed: int):
        names, self._concept_of = np.unique(np.asarray(concepts), return_inverse=True)
        self._count, self._seed = len(names), seed
        if self._count < FEWEST_CONCEPTS:
            raise InputError(
                f"FD-infinity needs at least {FEWEST_CONCEPTS} concepts, but the first"
                f" {len(concepts)} captions of the split have only {self._count}; raise sampling.n"
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
        return self.of_resamples(np.ones((repeats, len(self._concept_of)), dtype=int))

    def of_resamples(self, counts: np.ndarray) -> np.ndarray:
        """How often each image is in each part, one division per resample: [R, PARTS, n].

        Counts [R, n] are those of `resample_counts`. A resample is divided as a sample is: the
        concepts that were drawn, some of them several times, in random order.
        """
        generator = np.random.default_rng((self._seed, self._count))
        first = np.unique(self._concept_of, return_index=True)[1]
        return np.array([self._divided(own, generator) for own in counts[:, first]])

    def _divided(self, counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        order = generator.permutation(np.repeat(np.arange(self._count), counts))
        parts = [part for parts in DIVISIONS for part in np.array_split(order, parts)]
        shares = [np.bincount(part, minlength=self._count) for part in parts]
        return np.array(shares, dtype=np.float64)[:, self._concept_of]
