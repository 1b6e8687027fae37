"""Find the guidance scale with the lowest metric among a few, without sampling all of them whole.

A scale's images are sampled from the first one on, and image i has the same prompt and noise at
every scale: what a look at the first m of them says of two scales varies less than either does.
First the ends and the middle are looked at, then what lies on both sides of the lowest, until its
neighbours are known. The better half of the scales is looked at with more images, again and again,
and what is left last is sampled whole. The steps are those of successive halving (Karnin et al.
2013, Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943), after a bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_LOOK = 2
"""fewest images that have a covariance"""
BRACKET = 0.75
"""share of a look's images that are spent on the first one"""


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


def most_images(scales: int, n: int, look: float) -> int:
    """Images that a search samples at most, if nothing diverges: n, and a look at other scales.

    A look has the share `look` of n images on average, whatever the number of scales.
    """
    return n + (scales - 1) * _looked(n, look)


def _looked(n: int, look: float) -> int:
    return min(n, max(LEAST_LOOK, int(look * n)))


def search(
    scales: Sequence[float], evaluate: Callable[[float, int], float], n: int, look: float
) -> Found:
    """Find the scale with the lowest metric.

    `evaluate(scale, images)` is the metric of the first images of a scale, infinite where they
    diverged; it is asked for a scale with ever more of them, at last n. At most `most_images` are
    sampled, more only where a finalist diverges. The scale that is chosen has the lowest value of
    those that were sampled whole.
    """
    return _Search(sorted(scales), evaluate, n, look).run()


class _Search:
    def __init__(
        self, scales: list[float], evaluate: Callable[[float, int], float], n: int, look: float
    ):
        self._scales, self._evaluate, self._n = scales, evaluate, n
        self._looks: list[Look] = []
        self._budget = most_images(len(scales), n, look)
        self._first = _looked(n, BRACKET * look)

    def run(self) -> Found:
        self._bracket()
        order = self._ranked({look.guidance: look.value for look in self._looks})
        left = len(order) // 2
        while left > 1:
            images = self._affordable(order[:left])
            looked = {scale: self._look(scale, images) for scale in order[:left]}
            order[:left] = self._ranked(looked)
            left //= 2
        for scale in order:
            if math.isfinite(self._look(scale, self._n)):
                break  # else the next best one: this one diverged
        return Found(self._looks, self._ranked(self._whole()))

    def _bracket(self) -> None:
        """Look at both ends and the middle, then halve what lies beside the lowest scale."""
        last = len(self._scales) - 1
        values: dict[int, float] = {}
        wanted = {0, last // 2, last}
        while wanted:
            for at in sorted(wanted):
                values[at] = self._look(self._scales[at], self._first)
            lowest = min(values, key=values.__getitem__)
            below = max((at for at in values if at < lowest), default=lowest)
            above = min((at for at in values if at > lowest), default=lowest)
            wanted = {(below + lowest) // 2, (lowest + above + 1) // 2} - set(values)

    def _affordable(self, contenders: list[float]) -> int:
        """Images of a look at every contender that leaves enough for later looks and a finalist.

        What a contender is looked at with now need not be sampled when it is a finalist.
        """
        images = self._images()
        now, rounds = images[contenders[0]], len(contenders).bit_length() - 1
        spare = self._budget - sum(images.values()) - (self._n - now)
        return min(self._n, now + max(0, spare) // ((len(contenders) - 1) * rounds))

    def _look(self, scale: float, images: int) -> float:
        seen = [look for look in self._looks if look.guidance == scale]
        if not seen or images > seen[-1].images:
            seen.append(Look(scale, images, self._evaluate(scale, images)))
            self._looks.append(seen[-1])
        return seen[-1].value

    def _images(self) -> dict[float, int]:
        return {look.guidance: look.images for look in self._looks}

    def _whole(self) -> dict[float, float]:
        return {look.guidance: look.value for look in self._looks if look.images == self._n}

    @staticmethod
    def _ranked(values: dict[float, float]) -> list[float]:
        return sorted(values, key=values.__getitem__)
