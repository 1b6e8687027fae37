"""Schedules: the noise levels at which a solver of few steps evaluates the network.

Levels are 0 (almost clean) to T - 1 (almost noise). The names are those of diffusers'
`timestep_spacing` (Lin et al. 2023, table 2). diffusers' own lists differ between its schedulers,
and rounding makes some of them one level too long; these are the same for every solver. When the
levels of a schedule change, raise its number in kinds/schedules.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CLEAN = -1
"""the level after the last one: no noise at all"""


def _trailing(steps: int, count: int) -> np.ndarray:
    """From the noisiest level down, evenly; the last is T / steps above the clean image."""
    return (count - np.arange(steps) * count / steps).round() - 1


def _leading(steps: int, count: int) -> np.ndarray:
    """Multiples of T // steps, plus 1: Stable Diffusion's. Few steps begin far below pure noise."""
    spacing = count // steps
    return np.arange(steps)[::-1] * spacing + min(1, count - 1 - (steps - 1) * spacing)


def _linspace(steps: int, count: int) -> np.ndarray:
    """From the noisiest level down to level 0, evenly; the last step has next to nothing to do."""
    return np.linspace(count - 1, 0, steps).round()


_MADE: dict[str, Callable[[int, int], np.ndarray]] = {
    "trailing": _trailing,
    "leading": _leading,
    "linspace": _linspace,
}


def levels(schedule: str, steps: int, count: int) -> list[int]:
    """The falling levels [steps] of a schedule, among `count` levels; `steps` is 1 to `count`."""
    return [int(level) for level in _MADE[schedule](steps, count)]
