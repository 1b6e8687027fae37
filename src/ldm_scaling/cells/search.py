"""Find the guidance scale with the lowest metric among a few, without sampling all of them whole.

Metrics that are better when higher come times -1.
A scale's images are sampled from the first one on, and image i has the same prompt and noise at
every scale: what the first m images say of the difference of two scales varies less than what they
say of either. The search climbs from the middle of the scales to one that is lower than both of its
neighbours. Then the scales that are not clearly worse than the lowest, by the standard error of
their difference, are looked at with ever more images until one is left, or until the images that
the search may sample are spent. The lowest is sampled whole. This is successive elimination
(Even-Dar, Mannor and Mansour 2006, https://jmlr.org/papers/v7/evendar06a.html) with paired
differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

LEAST_LOOK = 4
"""fewest images: two blocks are left out in turn, and the rest has a covariance"""
FIRST = 0.75
"""share of a look's images that are spent on the first one"""
CLEARLY = 1.5
"""standard errors of the difference by which a scale is worse if it is looked at no more"""
BLOCKS = 8
"""of images, which are left out in turn to estimate a standard error"""


@dataclass(frozen=True)
class Estimate:
    """What the first images of a scale say of its metric."""

    value: float
    """the metric; infinite if sampling diverged"""
    without: np.ndarray = field(default_factory=lambda: np.empty(0))
    """the metric without each block of images [blocks]; empty if it diverged or is whole"""

    @classmethod
    def of(cls, features: np.ndarray, metric: Callable[[np.ndarray], float]) -> Estimate:
        """The estimate of features [m, D], m >= LEAST_LOOK; image i is in block i mod blocks."""
        blocks = min(BLOCKS, len(features) // 2)
        block_of = np.arange(len(features)) % blocks
        left = [metric(features[block_of != block]) for block in range(blocks)]
        return cls(metric(features), np.array(left))


DIVERGED = Estimate(math.inf)


@dataclass(frozen=True)
class Look:
    """What a search saw of a scale."""

    guidance: float
    images: int
    """the first so many of the cell"""
    value: float
    """the metric; infinite if sampling diverged"""


@dataclass(frozen=True)
class Found:
    """What a search ends with."""

    looks: list[Look]
    """in the order in which they were taken"""
    finalists: list[float]
    """scales that were sampled whole, the best first; one at least, even if all diverged"""

    @property
    def chosen(self) -> float:
        """The best scale."""
        return self.finalists[0]

    @property
    def images(self) -> int:
        """That were sampled, over all scales."""
        return sum({look.guidance: look.images for look in self.looks}.values())


def standard_error(one: Estimate, other: Estimate, left: float) -> float:
    """The standard error of the difference of two scales, for all n images, from common ones.

    The grouped jackknife (Efron and Tibshirani 1993, chapter 11) of a sample without replacement:
    `left` is the share of n that was not looked at. 0 where one of them is whole.
    """
    if not (len(one.without) and len(other.without)):
        return 0.0
    differences = one.without - other.without
    return math.sqrt((len(differences) - 1) * differences.var() * left)


def most_images(scales: int, n: int, look: float) -> int:
    """Images that a search samples at most, if nothing diverges: n, and a look at other scales.

    A look has at most the share `look` of n images on average, whatever the number of scales.
    """
    return n + (scales - 1) * _looked(n, look)


def _looked(n: int, look: float) -> int:
    return min(n, max(LEAST_LOOK, int(look * n)))


def search(
    scales: Sequence[float], evaluate: Callable[[float, int], Estimate], n: int, look: float
) -> Found:
    """Find the scale with the lowest metric.

    `evaluate(scale, images)` tells the metric of the first images of a scale; it is asked for a
    scale with ever more of them, at last n. At most `most_images` are sampled, more only where a
    finalist diverges. The scale that is chosen has the lowest value of those that were sampled
    whole.
    """
    return _Search(sorted(scales), evaluate, n, look).run()


class _Search:
    def __init__(
        self, scales: list[float], evaluate: Callable[[float, int], Estimate], n: int, look: float
    ):
        self._scales, self._evaluate, self._n = scales, evaluate, n
        self._looks: list[Look] = []
        self._seen: dict[int, tuple[int, Estimate]] = {}
        """images and estimate of each scale's last look, by its place in the list"""
        self._budget = most_images(len(scales), n, look)
        self._first = _looked(n, FIRST * look)

    def run(self) -> Found:
        middle, images = (len(self._scales) - 1) // 2, self._first
        rivals = [at for at in (middle - 1, middle, middle + 1) if 0 <= at < len(self._scales)]
        while len(rivals) > 1:
            rivals = self._climb(rivals, images)
            rivals, images = self._affordable(rivals, images)
        unseen = [at for at in range(len(self._scales)) if at not in self._seen]
        for at in rivals + sorted(self._seen, key=self._rank) + unseen:
            if math.isfinite(self._look(at, self._n)):
                break  # else the next best one: this one diverged
        whole = [look for look in self._looks if look.images == self._n]
        return Found(self._looks, [x.guidance for x in sorted(whole, key=lambda x: x.value)])

    def _climb(self, rivals: list[int], images: int) -> list[int]:
        """Look at rivals, and at neighbours of the lowest; those that may be best, best first."""
        values: dict[int, float] = {}
        wanted, lowest = set(rivals), rivals[0]
        while wanted:
            values |= {at: self._look(at, images) for at in sorted(wanted)}
            lowest = min(values, key=values.__getitem__)
            wanted = set(range(len(self._scales))) - set(self._seen)
            if math.isfinite(values[lowest]):  # else whatever has not diverged yet
                wanted &= {lowest - 1, lowest + 1}
            if len(wanted) * images > self._spare(images):
                break
        return sorted(
            (at for at in values if not self._is_clearly_worse(at, lowest, images)),
            key=values.__getitem__,
        )

    def _is_clearly_worse(self, at: int, lowest: int, images: int) -> bool:
        own, best = self._seen[at][1], self._seen[lowest][1]
        error = standard_error(own, best, 1 - images / self._n)
        return own.value > best.value + CLEARLY * error

    def _spare(self, images: int) -> int:
        """Images that may be sampled, except those that make a scale with so many whole."""
        sampled = sum(images for images, _ in self._seen.values())
        return self._budget - sampled - (self._n - images)

    def _affordable(self, rivals: list[int], images: int) -> tuple[list[int], int]:
        """As many of the best rivals as can be looked at with more images, and how many."""
        while len(rivals) > 1:
            each = self._spare(images) // (len(rivals) - 1)
            more = min(self._n, 2 * images, images + each)
            if more > images:
                return rivals, more
            rivals = rivals[:-1]
        return rivals, images

    def _rank(self, at: int) -> tuple[bool, int, float]:
        """What was looked at longest was best; what diverged is last."""
        images, estimate = self._seen[at]
        return math.isinf(estimate.value), -images, estimate.value

    def _look(self, at: int, images: int) -> float:
        if at not in self._seen or images > self._seen[at][0]:
            self._seen[at] = images, self._evaluate(self._scales[at], images)
            self._looks.append(Look(self._scales[at], images, self._seen[at][1].value))
        return self._seen[at][1].value
