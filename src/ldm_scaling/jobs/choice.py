"""How a sampling budget is spent: the guidance scale that is chosen, and the steps it goes with.

Tables, figures and claims choose every guidance scale here, from whole grids and from what a search
has sampled whole: the scale with the best value of the selecting metric, the lowest of equally good
ones. A search ranks scales by itself while it samples (cells/search.py): that decides which ones
are sampled whole, and `Found.chosen` says how a replayed search ends.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..kinds.metrics import sign

OK = "ok"
NONE = -1
"""the choice if every scale failed"""
_ROUNDED = 1e-5
"""costs in tables have six digits"""


def chosen_rows(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The row with the chosen scale, for each group of rows of the selecting metric.

    A group in which every scale failed has no such row. Scales are ascending in a group.
    """
    sound = rows[rows["status"] == OK]
    badness = sound["value"] * sound["metric"].map(sign).astype(int)
    return sound.loc[sound.assign(value=badness).groupby(by, sort=False)["value"].idxmin()]


def chosen_scales(draws: np.ndarray, axis: int = 0) -> np.ndarray:
    """The scale along an axis that each draw chooses, for the metric's draws [..., 1 + R].

    Lower is better: draws of other metrics come times their `sign`. Each draw chooses for itself,
    so that the choice is part of the uncertainty. A scale with a draw that is not finite has
    failed. If all scales have failed, the choice is `NONE`.
    """
    sound = np.asarray(np.isfinite(draws).all(axis=-1, keepdims=True))
    lowest = np.where(sound, draws, np.inf).argmin(axis=axis)
    return np.where(sound.any(axis=axis), lowest, NONE)


def at_chosen(draws: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The value of each draw [1 + R] at its own choice, for a metric's draws [scales, 1 + R]."""
    return np.where(chosen == NONE, np.nan, draws[chosen, np.arange(len(chosen))])


def optimism(draws: np.ndarray, selecting: np.ndarray) -> float:
    """How much a metric at the chosen scale would rise, on average, on images that did not choose.

    `draws` [scales, 1 + R] are of the metric, `selecting` of the one that chooses, as
    `chosen_scales` takes them. 0 if there is one scale, nan if all failed.

    It is cross-fitted: half of the concepts choose, the other half judges, and the reverse. To
    first order the halves see value + d and value - d, where d is the mean influence of one half's
    concepts. Over random halves d varies as draws vary around the value. So a draw and its mirror
    image stand for two halves (the coupled bootstrap of Oliveira, Lei and Tibshirani 2021,
    https://arxiv.org/abs/2111.09447). The noise of a half is sqrt(2) times that of all images, so
    the result is divided by sqrt(2). That is right where scales do not differ, and where one is
    clearly best. Between, it is too large on average, never too small: the more noise, the less do
    differences decide.
    """
    mirrored = 2 * selecting[:, :1] - selecting
    here, there = (at_chosen(draws, chosen_scales(half)) for half in (selecting, mirrored))
    return float((there - here)[1:].mean() / np.sqrt(2))


def at_end(guidance: pd.Series, scales: list[float]) -> pd.Series:
    """Whether each chosen scale is at an end of the scales, so that one beyond could be better.

    Failed scales count as tried: a choice next to a diverged scale is not at an end. If 1 is the
    only scale, there is no guidance and no choice.
    """
    ends = {max(scales)} | ({min(scales)} - {1}) if max(scales) > 1 else set()
    return guidance.isin(ends)


def at_fixed(rows: pd.DataFrame, steps: int, guidance: float) -> pd.Series:
    """Which cells have the fixed setting. A model with no other scale than 1 has it at 1."""
    strongest = rows.groupby("size")["guidance"].transform("max")
    return (rows["steps"] == steps) & (
        rows["guidance"] == strongest.where(strongest == 1, guidance)
    )


def steps_bought(budget: float, normalized_cost: float, most: int) -> int:
    """Denoising steps of a size that a sampling budget pays for, at most `most`; 0 if not one.

    The sampling cost is normalized cost x steps (Mei et al., arXiv 2404.01367).
    """
    return min(most, math.floor(budget / normalized_cost * (1 + _ROUNDED)))


def nearest_guidance(best: pd.DataFrame, steps: int) -> float:
    """The guidance that was chosen at the nearest step count, in log; nan if none was.

    `best` has the `chosen_rows` of one model and sampler. If two counts are equally near, the
    lower one counts.
    """
    chosen = best[best["guidance"].notna()].sort_values("steps")
    if chosen.empty:
        return math.nan
    distance = np.abs(np.log(chosen["steps"].to_numpy(float) / steps))
    return float(chosen["guidance"].to_numpy(float)[distance.argmin()])
