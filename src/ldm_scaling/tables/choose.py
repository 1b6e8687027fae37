"""The best configuration within limits, and what is left of its lead on other images.

A configuration is all that decides an image but its prompt and noise: model, sampler, steps,
guidance. Among many, the one with the best value is also a lucky one. So it is chosen again on
halves of the images and judged on the other halves, as `jobs.choice.optimism` says; the mean
difference is its luck. Everything here needs the rows of frontier.csv alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..jobs.choice import chosen_scales, optimism
from ..jobs.cli import InputError
from ..jobs.tables import HALF, read_whole, settings_of
from ..kinds.metrics import sign
from ..kinds.samplers import SAMPLERS
from ..kinds.stages import DISTILL, INVERSION, PRETRAIN, arm_of

FRONTIER = ["cell", "stage", "size", "sampler", "steps", "guidance", "seeds", "metric", "value"]
FRONTIER += ["lo", "hi", "n", "nfe", "sampling_cost", "guided_cost", "total_cost", "seconds"]
FRONTIER += ["status"]
"""columns of frontier.csv; then those of `ON_SOME`, others that cells may have, and halves"""
ON_SOME = ["schedule", "allocation", "method", "candidates", "noise"]
_SAME = 1 + 1e-6
"""costs closer than this are one"""


@dataclass(frozen=True)
class Choice:
    """The best configuration within limits; numbers are rows of `Configurations`."""

    row: int
    luck: float
    """what its value would change by on other images, on average"""
    tied: list[int]
    """others that the study does not tell apart from it, the best first"""
    behind: list[int]
    """others that it tells apart, the best first"""


class _Step(NamedTuple):
    """From which cost on a row is chosen, and its luck times the metric's sign."""

    cost: float
    row: int
    luck: float


@dataclass(frozen=True)
class Configurations:
    """All configurations of a study, by one metric."""

    rows: pd.DataFrame
    """those of frontier.csv, without halves; index 0, 1, ..."""
    halves: np.ndarray
    """[rows, 1 + H]: the value, then that on each half; nan where a cell failed"""
    metric: str

    @classmethod
    def of(cls, table: pd.DataFrame, metric: str) -> Configurations:
        """From the rows of frontier.csv. Raises InputError if it lacks the metric."""
        rows = table[table["metric"] == metric].reset_index(drop=True)
        if rows.empty:
            known = ", ".join(dict.fromkeys(table["metric"]))
            raise InputError(f"metric {metric} was not measured; choose one of {known}")
        names = [name for name in rows if str(name).startswith(HALF)]
        halves = rows[["value", *names]].to_numpy(float)
        return cls(rows.drop(columns=names), halves, metric)

    @property
    def sound(self) -> np.ndarray:
        """A mask of the rows that have a value."""
        return np.isfinite(self.halves[:, 0])

    def within(self, axis: str, limit: float) -> np.ndarray:
        """A mask of the sound rows with at most so much in a column of costs."""
        return self.sound & (self.rows[axis].to_numpy(float) <= limit * _SAME)

    def choose(self, among: np.ndarray, axis: str, confidence: float) -> Choice | None:
        """The best row of a mask; None if it has no sound one.

        A dearer row takes the place of a cheaper one only if it is better without its luck, so that
        nothing is paid for what other images would not show. Another row is tied if the choice
        without its luck is not better than it by more than their difference is uncertain, as it
        varies between halves.
        """
        *_, last = None, *self._steps(among, axis)
        return last and self._beside(last, among, confidence)

    def envelope(self, axis: str, confidence: float) -> Iterator[tuple[float, Choice]]:
        """The choice within each cost, from that cost on, wherever it becomes another one."""
        for step in self._steps(self.sound, axis):
            yield step.cost, self._beside(step, self.within(axis, step.cost), confidence)

    def _steps(self, among: np.ndarray, axis: str) -> Iterator[_Step]:
        """The choices of `choose` as the budget grows."""
        costs, better = self.rows[axis].to_numpy(float), sign(self.metric)
        rows = np.flatnonzero(among & self.sound & np.isfinite(costs))
        rows = rows[np.argsort(costs[rows], kind="stable")]
        draws, last, chosen = better * self.halves[rows], math.inf, None
        for cost in np.unique(costs[rows]):
            own = draws[costs[rows] <= cost * _SAME]
            best = int(chosen_scales(own)[0])
            luck = optimism(own, own) if len(own) > 1 else 0.0
            if own[best, 0] + luck < last:
                last = own[best, 0] + luck
                if chosen != (chosen := int(rows[best])):
                    yield _Step(float(cost), chosen, float(luck))

    def _beside(self, step: _Step, among: np.ndarray, confidence: float) -> Choice:
        rows = np.flatnonzero(among & self.sound)
        draws = sign(self.metric) * self.halves[rows]
        best = int(np.flatnonzero(rows == step.row)[0])
        far = draws[:, 0] - draws[best, 0] - step.luck > self._doubt(draws, best, confidence)
        order = [at for at in np.argsort(draws[:, 0], kind="stable") if at != best]
        return Choice(
            row=step.row,
            luck=sign(self.metric) * step.luck,
            tied=[int(rows[at]) for at in order if not far[at]],
            behind=[int(rows[at]) for at in order if far[at]],
        )

    def images_to_tell(self, choice: Choice, other: int, confidence: float) -> float:
        """How many times as many images would tell another row from the choice; inf if they agree.

        As they differ now, the choice's luck left out.
        """
        draws = sign(self.metric) * self.halves[[choice.row, other]]
        difference = draws[1, 0] - draws[0, 0] - sign(self.metric) * choice.luck
        if difference <= 0:
            return np.inf
        return float((self._doubt(draws, 0, confidence)[1] / difference) ** 2)

    @staticmethod
    def _doubt(draws: np.ndarray, best: int, confidence: float) -> np.ndarray:
        """Half the width of the interval of each row's difference from one: [rows]."""
        behind = draws - draws[best]
        spread = np.sqrt(((behind[:, 1:] - behind[:, :1]) ** 2).mean(axis=1))
        return ndtri((1 + confidence) / 2) * spread


def read_frontier(path: Path) -> pd.DataFrame:
    """frontier.csv. Raises InputError if it is missing, or is none."""
    return read_whole(path, FRONTIER)


def described(row: pd.Series, rows: pd.DataFrame) -> str:
    """A configuration in words, such as "student of c48, LCM, 4 steps, guidance 6".

    Further settings are named where they differ from those of most `rows`.
    """
    said = ["stage", "size", "sampler", "steps", "guidance"]
    stage, size, sampler, steps, guidance = (row[name] for name in said)
    names = {PRETRAIN: size} | dict.fromkeys((DISTILL, INVERSION), f"student of {size}")
    arm = arm_of(stage)
    words = [f"student of {size} ({arm})" if arm else names.get(stage, f"{size} {stage}")]
    words.append(SAMPLERS[sampler].label if sampler in SAMPLERS else sampler)
    words.append(f"{steps} step" if steps == 1 else f"{steps} steps")
    words.append(f"guidance {guidance:g}" if guidance > 1 else "no guidance")
    for name in settings_of(rows):
        usual = 1 if name == "candidates" else rows[name].value_counts(dropna=False).index[0]
        if name not in said and pd.notna(row[name]) and row[name] != usual:
            words.append(f"{name} {row[name]}")
    return ", ".join(words)
