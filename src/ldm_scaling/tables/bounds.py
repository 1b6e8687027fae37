"""How sure a statistic of draws is: its interval, one for several tries, and whether it decides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from .values import interval, student_over_normal


class Bounds(NamedTuple):
    """A statistic with its interval, and how sure its sign is."""

    value: float
    lo: float
    hi: float
    surely_above: float
    """lo, less two Monte Carlo errors: the statistic holds if this is above 0"""
    surely_below: float
    """hi, plus two Monte Carlo errors: it does not hold if this is below 0"""
    p_above: float
    """one-sided p-value against that the statistic is 0 or less"""
    p_below: float
    """against that it is 0 or more"""

    @property
    def p(self) -> float:
        """The two-sided p-value of 0."""
        return min(1.0, 2 * min(self.p_above, self.p_below))


def bounds(
    draws: np.ndarray, confidence: float, degrees: int = 0, tries: tuple[int, int] = (1, 1)
) -> Bounds:
    """Bounds of a statistic from its draws [1 + R], the first of them its value.

    `tries` are those among which lo and hi hold together (Bonferroni). So far out resamples are too
    few to count: the interval at this confidence is widened as a normal one would be, or Student's
    of so many degrees of freedom, if there are any. So are p-values.
    """
    value, lo, hi = interval(draws, confidence)
    if len(draws) == 1:  # a number that no resample changes
        return Bounds(value, value, value, value, value, float(value <= 0), float(value >= 0))
    error = monte_carlo_error(lo, hi, len(draws) - 1, confidence)
    tail = (1 - confidence) / 2
    down, up = (_quantile(tail / own, degrees) / _quantile(tail, degrees) for own in tries)
    below, above = down * (value - lo), up * (hi - value)
    return Bounds(
        value,
        value - below,
        value + above,
        value - below - down * error,
        value + above + up * error,
        _one_sided(value, value - lo, tail, degrees, tries[0]),
        _one_sided(-value, hi - value, tail, degrees, tries[1]),
    )


def monte_carlo_error(lo: float, hi: float, resamples: int, confidence: float) -> float:
    """What a bound may be off by since there are only so many resamples: two standard errors.

    The bound is a quantile (Serfling 1980, section 2.3.3). Its density is taken from a normal
    distribution as wide as the interval.
    """
    tail = (1 - confidence) / 2
    z = ndtri(1 - tail)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return 2 * (hi - lo) / (2 * z) * np.sqrt(tail * (1 - tail) / resamples) / density


def _one_sided(value: float, half: float, tail: float, degrees: int, tries: int) -> float:
    """The p-value of at most 0, of a value whose interval reaches down by `half` at this tail."""
    if not half:
        return float(value <= 0)
    z = value / half * _quantile(tail, degrees)
    return float(min(1.0, tries * (stdtr(degrees, -z) if degrees else ndtr(-z))))


def _quantile(tail: float, degrees: int) -> float:
    return float(ndtri(1 - tail)) * student_over_normal(tail, degrees)
