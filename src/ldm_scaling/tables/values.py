"""Values of cells with what resamples give instead of them: what intervals of conclusions need.

All cells share their resamples of prompts, so a statistic that is taken on the values, and once on
each draw, has an interval that knows how cells vary together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..cli import InputError
from ..shards import fingerprint_of, map_array
from ..workdir import file_hash
from .collect import CELLS, at_end, read_table


@dataclass(frozen=True)
class Values:
    """Cells of one metric."""

    rows: pd.DataFrame
    """columns CELLS, or fewer; index 0, 1, ..."""
    draws: np.ndarray
    """[rows, 1 + R]: the value itself, then what each resample gives; nan where a cell failed"""

    def where(self, chosen: pd.Series | np.ndarray) -> Values:
        """The rows for which `chosen`, a mask of them, is true."""
        mask = np.asarray(chosen, dtype=bool)
        return Values(self.rows[mask].reset_index(drop=True), self.draws[mask])

    def over_seeds(self, seed: int = 0) -> Values:
        """The mean over training seeds of each cell, and in draws that of resampled seeds.

        A cell that failed for one seed has no mean. Of the rows, `seconds` is the mean too.
        """
        by = ["stage", "size", "sampler", "steps", "guidance", "trained"]
        groups = self.rows.groupby(by, sort=False).indices
        generator = np.random.default_rng(seed)
        seed_of, seconds_of = self.rows["seed"].to_numpy(), self.rows["seconds"].to_numpy(float)
        seeds = sorted(set(seed_of))
        count = self.draws.shape[1]
        drawn = generator.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), count)
        drawn[0] = 1  # the values themselves take every seed once
        draws = []
        for members in groups.values():
            weights = drawn[:, [seeds.index(s) for s in seed_of[members]]].T.astype(float)
            complete = len(members) == len(seeds)
            mean = (weights * self.draws[members]).sum(axis=0) / len(seeds)
            draws.append(mean if complete else np.full(count, np.nan))
        rows = self.rows.iloc[[members[0] for members in groups.values()]]
        seconds = [seconds_of[members].mean() for members in groups.values()]
        return Values(rows.assign(seconds=seconds).reset_index(drop=True), np.array(draws))

    def at_best_guidance(self) -> Values:
        """For each (stage, size, sampler, steps) the lowest value over the grid's scales.

        Each draw chooses a scale for itself, so the choice is part of the uncertainty. The rows
        have one more column, `at_boundary`: the scale is at an end of the grid.
        """
        grid = self.where(self.rows["grid"])
        by = ["stage", "size", "sampler", "steps"]
        rows, ends, draws = [], [], []
        for members in grid.rows.groupby(by, sort=False).indices.values():
            own = grid.draws[members]
            finite = members[np.isfinite(own).all(axis=1)]
            chosen = members[0] if not len(finite) else finite[grid.draws[finite, 0].argmin()]
            rows.append(chosen)
            scale, tried = grid.rows["guidance"].iloc[chosen], grid.rows["guidance"].iloc[members]
            ends.append(len(finite) > 0 and at_end(scale, tried))
            lowest = grid.draws[finite].min(axis=0) if len(finite) else own[0] * np.nan
            draws.append(lowest)
        chosen = grid.rows.iloc[rows].assign(at_boundary=ends)
        return Values(chosen.reset_index(drop=True), np.array(draws))


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Value, lo and hi of a statistic's draws [1 + R], the first of which is its value.

    nan where the value is; draws that are nan are left out.
    """
    value, others = draws[0], draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(value) or not len(others):
        return float(value), float("nan"), float("nan")
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(others, [tail, 1 - tail])
    return float(value), float(min(lo, value)), float(max(hi, value))


def read_values(table: Path, file: Path, metric: str) -> Values:
    """The cells of one metric, of a table and the draws that were written with it.

    Raises InputError if they do not belong together, or if the metric is not there.
    """
    rows = read_table(table, CELLS)
    if fingerprint_of(file) != file_hash(table):
        raise InputError(f"{file} does not belong to {table}; delete both and run again")
    draws = np.asarray(map_array(file, "draws"))
    mask = (rows["metric"] == metric).to_numpy()
    if not mask.any():
        known = ", ".join(sorted(rows["metric"].unique()))
        raise InputError(f"{table}: metric {metric} is not in the table (known: {known})")
    values = rows.loc[mask, "value"].to_numpy(float)[:, None]
    return Values(rows[mask].reset_index(drop=True), np.hstack([values, draws[mask]]))
