"""Values of cells with their bootstrap replicates, from which conclusions get their intervals.

All cells share their resamples of prompts, so a statistic that is taken on the values, and once on
each draw, has an interval that knows how cells vary together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.choice import at_chosen, chosen_scales
from ..jobs.cli import InputError
from ..jobs.tables import CELLS, OK, read_table
from ..jobs.workdir import file_hash


@dataclass(frozen=True)
class Values:
    """Cells of one metric."""

    rows: pd.DataFrame
    """columns CELLS, or fewer; index 0, 1, ..."""
    draws: np.ndarray
    """[rows, 1 + R]: the value itself, then what each resample gives; nan where a cell failed"""

    @property
    def metric(self) -> str:
        """The metric of all rows."""
        return self.rows["metric"].iloc[0]

    def where(self, chosen: pd.Series | np.ndarray) -> Values:
        """The rows for which `chosen`, a mask of them, is true."""
        mask = np.asarray(chosen, dtype=bool)
        return Values(self.rows[mask].reset_index(drop=True), self.draws[mask])

    def over_seeds(self, confidence: float, seed: int = 0) -> Values:
        """The mean over training seeds of each cell; its draws spread as the seeds do too.

        An interval at this confidence, of one cell or of a statistic of several, covers what other
        seeds would have given. Where all seeds' values are above 0, so are the draws. A cell that
        failed for one seed has no mean. `seconds` is the mean too.
        """
        by = ["stage", "size", "sampler", "steps", "guidance", "trained"]
        groups = self.rows.groupby(by, sort=False).indices
        seed_of, seconds_of = self.rows["seed"].to_numpy(), self.rows["seconds"].to_numpy(float)
        seeds = sorted(set(seed_of))
        count = self.draws.shape[1]
        spread = _spread(len(seeds), count, confidence, np.random.default_rng(seed))
        draws = []
        for members in groups.values():
            if len(members) < len(seeds):
                draws.append(np.full(count, np.nan))
                continue
            own = self.draws[members[np.argsort(seed_of[members])]]
            mean, values = own.sum(axis=0) / len(seeds), own[:, 0]
            if (values > 0).all():
                draws.append(mean * np.exp(np.log(values) @ spread))
            else:
                draws.append(mean + values @ spread)
        rows = self.rows.iloc[[members[0] for members in groups.values()]]
        seconds = [seconds_of[members].mean() for members in groups.values()]
        return Values(rows.assign(seconds=seconds).reset_index(drop=True), np.array(draws))

    def at_best_guidance(self, selecting: Values | None = None) -> Values:
        """For each (stage, size, sampler, steps) the value where `selecting` is lowest.

        Without another metric these values select. Each draw chooses for itself among the scales of
        the grid that were sampled whole, so of the whole grid the choice is part of the
        uncertainty; of an adaptive search, which samples one or two of them whole, it is not.
        Where every scale failed, `at_boundary` is False.
        Raises InputError if the two have different cells.
        """
        selecting = selecting or self
        grid, theirs = (own.where(own.rows["grid"]) for own in (self, selecting))
        by = ["stage", "size", "sampler", "steps"]
        if not grid.rows[[*by, "guidance"]].equals(theirs.rows[[*by, "guidance"]]):
            raise InputError(f"{self.metric} and {selecting.metric} have different cells")
        rows, ends, draws, at_end = [], [], [], grid.rows["at_boundary"].to_numpy()
        for members in grid.rows.groupby(by, sort=False).indices.values():
            chosen = chosen_scales(theirs.draws[members])
            found, row = chosen[0] >= 0, members[max(chosen[0], 0)]
            rows.append(row)
            ends.append(bool(found and at_end[row]))
            draws.append(at_chosen(grid.draws[members], chosen))
        chosen = grid.rows.iloc[rows].assign(at_boundary=ends)
        return Values(chosen.reset_index(drop=True), np.array(draws))


def student_over_normal(tail: float, seeds: int) -> float:
    """How much wider an interval of so many training seeds is than a normal one; 1 for one seed.

    A spread that is estimated from k seeds has k - 1 degrees of freedom.
    """
    return float(stdtrit(seeds - 1, 1 - tail) / ndtri(1 - tail)) if seeds > 1 else 1.0


def _spread(
    seeds: int, count: int, confidence: float, generator: np.random.Generator
) -> np.ndarray:
    """Weights [seeds, count] of seeds in what draws add to their mean; the first draw adds nothing.

    They are normal and sum to 0, so that what is added has the variance s^2 / k of a mean of k
    values, and the same in all cells, which vary together by seed. Resampled seeds would have that
    of (k - 1) / k of it, and tails that end at the values. The quantiles are Student's.
    """
    normal = generator.standard_normal((seeds, count))
    weights = (normal - normal.mean(axis=0)) / np.sqrt(seeds * max(seeds - 1, 1))
    weights[:, 0] = 0
    return weights * student_over_normal((1 - confidence) / 2, seeds)


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Value, lo and hi of a statistic's draws [1 + R]; the first draw is the value.

    nan where the value is; draws that are nan are left out.
    """
    value, others = draws[0], draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(value) or not len(others):
        return float(value), float("nan"), float("nan")
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(others, [tail, 1 - tail])
    return float(value), float(min(lo, value)), float(max(hi, value))


def with_intervals(values: Values, confidence: float) -> pd.DataFrame:
    """The rows with value, lo, hi and status as the draws have them."""
    found = np.array([interval(draws, confidence) for draws in values.draws])
    rows = values.rows.assign(**dict(zip(["value", "lo", "hi"], found.T, strict=True)))
    return rows.assign(status=np.where(np.isfinite(found[:, 0]), OK, "diverged"))


def read_values(table: Path, file: Path, metric: str, columns: list[str] = CELLS) -> Values:
    """The rows of one metric, of a table and the draws that were written with it.

    Raises InputError if they do not belong together, or if the metric is not there.
    """
    rows = read_table(table, columns)
    if fingerprint_of(file) != file_hash(table):
        raise InputError(f"{file} does not belong to {table}; delete both and run again")
    draws = np.asarray(map_array(file, "draws"))
    mask = (rows["metric"] == metric).to_numpy()
    if not mask.any():
        known = ", ".join(sorted(rows["metric"].unique()))
        raise InputError(f"{table}: metric {metric} is not in the table (known: {known})")
    values = rows.loc[mask, "value"].to_numpy(float)[:, None]
    return Values(rows[mask].reset_index(drop=True), np.hstack([values, draws[mask]]))
