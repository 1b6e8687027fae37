"""Values of cells with their bootstrap replicates, from which conclusions get their intervals.

All cells share their resamples of prompts, so a statistic that is taken on the values, and once on
each draw, has an interval that knows how cells vary together.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.choice import at_chosen, chosen_scales, optimism
from ..jobs.cli import InputError
from ..jobs.tables import CELLS, OK, read_whole
from ..jobs.workdir import file_hash
from ..kinds.metrics import sign
from ..kinds.sizes import SEPARATOR


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

    def of_seeds(self, seeds: Iterable[int]) -> Values:
        """The rows of these training seeds."""
        return self.where(self.rows["seed"].isin(list(seeds)))

    def of_other_trainings(self, deviation: float) -> Values:
        """The same with draws that vary as `of_other_trainings` says; undone by its negative."""
        drawn = of_other_trainings(self.rows, self.draws[:, 1:], deviation)
        return Values(self.rows, np.hstack([self.draws[:, :1], drawn]))

    def over_seeds(
        self, confidence: float, seed: int = 0, also: Iterable[str] = (), widened: bool = True
    ) -> Values:
        """The mean over training seeds of each cell; its draws spread as the seeds do too.

        An interval at this confidence, of one cell or of a statistic of several, covers what other
        seeds would have given. How seeds spread is pooled over models, as `_of_other_seeds` says;
        where all values of the table are above 0 it is the spread of their logarithms. A cell that
        failed for one seed has no mean. In the rows, `seconds` is a mean too. Columns of `also`
        tell cells apart beside those that all tables have. Without `widened`, draws spread by one
        standard deviation of seeds, and not by as much as Student's quantiles need.
        """
        by = ["size", "stage", "sampler", "steps", "guidance", "trained"]
        by += [name for name in also if name not in by]
        # trajectories of the same sizes share the luck of their models: they are cells of one
        more = self.rows[[name for name in ("allocation", "rising") if name in self.rows]]
        models, cells = models_of(self.rows).to_numpy(), list(more.itertuples(index=False))
        keys = self.rows[by].astype(object).fillna("")  # some cells may lack a setting
        found = keys.groupby(by, sort=False).indices
        groups: dict[Any, np.ndarray] = {key: np.asarray(rows) for key, rows in found.items()}
        seed_of, seconds_of = self.rows["seed"].to_numpy(), self.rows["seconds"].to_numpy(float)
        seeds, count = len(set(seed_of)), self.draws.shape[1]
        values = {
            key: self.draws[members[np.argsort(seed_of[members])], 0]
            for key, members in groups.items()
            if len(members) == seeds and np.isfinite(self.draws[members, 0]).all()
        }
        logarithmic = all((own > 0).all() for own in values.values())
        spreads: dict[tuple, dict[str, np.ndarray]] = defaultdict(dict)
        for key, own in values.items():
            level = np.log(own) if logarithmic else own
            first = groups[key][0]
            spreads[*key[1:], *cells[first]][models[first]] = level - level.mean()
        draws = []
        for key, members in groups.items():
            if key not in values:
                draws.append(np.full(count, np.nan))
                continue
            mean = self.draws[members].sum(axis=0) / seeds
            spread = spreads[*key[1:], *cells[members[0]]]
            tail = (1 - confidence) / 2 if widened else None
            others = _of_other_seeds(models[members[0]], spread, count, tail, seed)
            draws.append(mean * np.exp(others) if logarithmic else mean + others)
        rows = self.rows.iloc[[members[0] for members in groups.values()]]
        seconds = [seconds_of[members].mean() for members in groups.values()]
        return Values(rows.assign(seconds=seconds).reset_index(drop=True), np.array(draws))

    def at_best_guidance(self, selecting: Values | None = None) -> Values:
        """For each (stage, size, sampler, steps) the value where `selecting` is best.

        Without another metric these values select. Each draw chooses for itself among the scales of
        the grid that were sampled whole, so of the whole grid the choice is part of the
        uncertainty; of an adaptive search, which samples one of them whole, it is not.
        Where every scale failed, `at_boundary` is False. Column `optimism` of the rows is by how
        much the choice makes the value too low, on average; it is negative where it is too high.
        Raises InputError if the two have different cells.
        """
        selecting = selecting or self
        count = min(own.draws.shape[1] for own in (self, selecting))  # those that both have
        grid, theirs = (
            Values(own.rows, own.draws[:, :count]).where(own.rows["grid"])
            for own in (self, selecting)
        )
        by = ["stage", "size", "sampler", "steps"]
        if not grid.rows[[*by, "guidance"]].equals(theirs.rows[[*by, "guidance"]]):
            raise InputError(f"{self.metric} and {selecting.metric} have different cells")
        badness = sign(selecting.metric) * theirs.draws
        rows, ends, draws, low, at_end = [], [], [], [], grid.rows["at_boundary"].to_numpy()
        for members in grid.rows.groupby(by, sort=False).indices.values():
            chosen = chosen_scales(badness[members])
            found, row = chosen[0] >= 0, members[max(chosen[0], 0)]
            rows.append(row)
            ends.append(bool(found and at_end[row]))
            draws.append(at_chosen(grid.draws[members], chosen))
            low.append(optimism(grid.draws[members], badness[members]))
        chosen = grid.rows.iloc[rows].assign(at_boundary=ends, optimism=low)
        return Values(chosen.reset_index(drop=True), np.array(draws))


def pooled_sizes(rows: pd.DataFrame) -> int:
    """Over how many sizes, at least, `over_seeds` pools the spread of training seeds of a cell."""
    cells = rows.groupby(["stage", "sampler", "steps", "guidance", "trained"])
    return int(cells["size"].nunique().min())


def degrees_of(rows: pd.DataFrame) -> int:
    """The degrees of freedom of the spread of training seeds."""
    return (rows["seed"].nunique() - 1) * pooled_sizes(rows)


def student_over_normal(tail: float, degrees: int) -> float:
    """How much wider an interval is whose spread was estimated with so many degrees of freedom.

    1 without any, where nothing was estimated.
    """
    return float(stdtrit(degrees, 1 - tail) / ndtri(1 - tail)) if degrees else 1.0


def _of_other_seeds(
    model: str, spreads: dict[str, np.ndarray], count: int, tail: float | None, seed: int
) -> np.ndarray:
    """What other training seeds might add to a cell's mean: [count], the first of them 0.

    `spreads` has the deviations [k] of the k seeds from their mean, for the same cell of each of S
    models. They are pooled: a normal deviate times each has the variance s^2 / k of a mean of k,
    with S (k - 1) degrees of freedom. The deviates are a model's own and the same in all its cells,
    which vary together as the seeds show. With a tail's share, the quantiles there are Student's.
    """
    seeds = len(spreads[model])
    if seeds == 1:
        return np.zeros(count)
    degrees = len(spreads) * (seeds - 1)
    total = sum(own @ _deviates(seed, model, other, seeds, count) for other, own in spreads.items())
    wider = 1.0 if tail is None else student_over_normal(tail, degrees)
    return total / np.sqrt(seeds * degrees) * wider


@lru_cache(maxsize=1024)
def _deviates(seed: int, model: str, other: str, seeds: int, count: int) -> np.ndarray:
    key = (seed, zlib.crc32(f"{model} {other}".encode()))
    found = np.random.default_rng(key).standard_normal((seeds, count))
    found[:, 0] = 0  # the value itself
    return found


def models_of(rows: pd.DataFrame) -> pd.Series:
    """The model of each row: its size, or all sizes of a trajectory, in whichever order."""
    if "sizes" not in rows:
        return rows["size"]
    names = {own: SEPARATOR.join(sorted(own.split(SEPARATOR))) for own in set(rows["sizes"])}
    return rows["sizes"].map(names)


def of_other_trainings(rows: pd.DataFrame, draws: np.ndarray, deviation: float) -> np.ndarray:
    """Draws [rows, R] that also vary as metrics of other trainings would.

    `deviation` is the standard deviation of the metric's logarithm between trainings of a model.
    It was measured elsewhere: rows are of one training. Every draw multiplies all cells of a model
    by one factor. A kept checkpoint counts as a model, and so do the sizes of a trajectory.
    """
    models = rows["stage"] + " " + models_of(rows) + " " + rows["trained"].map("{:g}".format)
    lucks = {name: _luck(name, draws.shape[1]) for name in models.unique()}
    return draws * np.exp(deviation * np.array([lucks[name] for name in models]))


def with_deviation(
    rows: pd.DataFrame, draws: np.ndarray, metric: str, deviation: float | None
) -> np.ndarray:
    """Draws [rows, R]; those of one metric also vary by a training deviation, if one is given."""
    own = (rows["metric"] == metric).to_numpy()
    if deviation is None or not own.any():
        return draws
    draws = draws.copy()
    draws[own] = of_other_trainings(rows[own], draws[own], deviation)
    return draws


@lru_cache(maxsize=1024)
def _luck(model: str, count: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(model.encode())).standard_normal(count)


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
    """The rows of one metric, of a table with these columns and the draws written with it.

    Raises InputError if they do not belong together, or if the metric is not there.
    """
    rows = read_whole(table, columns)
    if fingerprint_of(file) != file_hash(table):
        raise InputError(f"{file} does not belong to {table}; delete both and run again")
    draws = np.asarray(map_array(file, "draws"))
    mask = (rows["metric"] == metric).to_numpy()
    if not mask.any():
        known = ", ".join(sorted(rows["metric"].unique()))
        raise InputError(f"{table}: metric {metric} is not in the table (known: {known})")
    values, draws = rows.loc[mask, "value"].to_numpy(float)[:, None], draws[mask]
    there = np.flatnonzero(np.isfinite(draws).any(axis=0))  # some metrics have fewer replicates
    draws = draws[:, : there[-1] + 1] if len(there) else draws
    return Values(rows[mask].reset_index(drop=True), np.hstack([values, draws]))
