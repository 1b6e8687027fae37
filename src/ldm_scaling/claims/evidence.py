"""The cells of a study as claims ask for them: means over training seeds, by size, with draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..costs.published import is_papers_layout
from ..kinds.metrics import HIGHER_IS_BETTER
from ..kinds.stages import (
    BIAS,
    BUDGET,
    DREAMBOOTH,
    PRETRAIN,
    STITCH,
    is_budget,
    is_superres,
    section_of,
)
from ..tables import candidates, inverted
from ..tables.bias import over_seeds
from ..tables.values import Values, models_of, pooled_sizes
from ..workflow.searches import sampler_of
from ..workflow.specs.claims import ClaimsSpec

QUALITY, ALIGNMENT, PERCEPTUAL = "quality", "alignment", "perceptual"
ORDER = ["params", "steps", "guidance", "trained"]


class Trainings(NamedTuple):
    """How much of the chance of a training the intervals of some cells contain."""

    seeds: int
    sizes: int
    """over which the spread of these seeds is pooled"""
    given: bool = False
    """whether the study says by how much trainings differ"""


class NotRun(Exception):
    """The study lacks data that a claim needs; the message is a phrase."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a study has measured."""

    spec: ClaimsSpec
    family: pd.DataFrame
    """family.csv"""
    cells: dict[tuple[str, str, str], Values]
    """by stage, name of a sampler's cells, and metric; one row a cell and training seed"""
    dreambooth: Values | None = None
    """how like their subjects images are, by size and training seed; None: no subject was taught"""
    stitched: Values | None = None
    """quality of stitched trajectories, as `read_stitched` has it; None: nothing was stitched"""
    searches: pd.DataFrame | None = None
    """search_cost.csv; None: no search can be replayed"""
    pairs: Values | None = None
    """the quality of pairs of a text encoder and a U-Net, as param_budget.csv has it; None: none"""
    floors: pd.DataFrame | None = None
    """floors.csv"""
    candidates: dict[str, Values] | None = None
    """what is kept of candidates, by metric; None: each image is kept"""
    inverted: dict[str, Values] | None = None
    """students with noise that was made for a score, by metric; None: there is none"""
    toned: dict[str, Values] = field(default_factory=dict)
    """by metric, cells of prompts that name no tone, as `read_bias` has them; none: no bias is
    measured"""
    asked: set[Trainings] = field(default_factory=set)
    """of all cells that were asked for, since `afresh`"""
    taken: set[tuple[str, str]] = field(default_factory=set)
    """stages and samplers of these cells"""
    _means: dict[tuple, Values] = field(default_factory=dict)
    _best: dict[tuple, Values] = field(default_factory=dict)

    def afresh(self) -> Self:
        """A copy that has recorded no question yet."""
        return replace(self, asked=set(), taken=set())

    @cached_property
    def without_deviation(self) -> Evidence:
        """What it was before `training_sd` was added to the draws: intervals of these trainings."""
        deviation = -(self.spec.training_sd or 0)
        cells = {
            key: values.of_other_trainings(deviation) if key[2] == self.spec.quality else values
            for key, values in self.cells.items()
        }
        stitched, pairs = self.stitched, self.pairs
        stitched = stitched and stitched.of_other_trainings(deviation)
        pairs = pairs and pairs.of_other_trainings(deviation)
        toned = {
            metric: own.of_other_trainings(deviation) if metric == self.spec.quality else own
            for metric, own in self.toned.items()
        }
        changed = {"cells": cells, "stitched": stitched, "pairs": pairs, "toned": toned}
        return replace(self, **changed, asked=set(), taken=set(), _means={}, _best={})

    @cached_property
    def n(self) -> int | None:
        """Images a cell but of super-resolution, or None if no cell has a value."""
        return self._n(enlarging=False)

    def n_of(self, stage: str) -> int | None:
        """Images a cell of a stage, or None if no cell has a value."""
        if stage == DREAMBOOTH:
            return int(self.taught().rows["n"].iloc[0])
        if stage == BIAS:
            return int(next(iter(self.toned.values())).rows["n"].dropna().iloc[0])
        if is_budget(stage):
            return int(self.split_budget().rows["n"].dropna().iloc[0])
        return self._n(enlarging=True) if is_superres(stage) else self.n

    def _n(self, enlarging: bool) -> int | None:
        own = [v.rows["n"] for key, v in self.cells.items() if is_superres(key[0]) == enlarging]
        found = pd.concat(own).dropna() if own else pd.Series()
        return int(found.iloc[0]) if len(found) else None

    @cached_property
    def seeds(self) -> dict[str, int]:
        """How many training seeds each section has."""
        known = [(stage, values.rows) for (stage, _, _), values in self.cells.items()]
        toned = next(iter(self.toned.values()), None)
        others = ((DREAMBOOTH, self.dreambooth), (STITCH, self.stitched), (BIAS, toned))
        for stage, values in others:
            known += [(stage, values.rows)] if values else []
        found = {section_of(stage): rows["seed"].nunique() for stage, rows in known}
        return found | ({section_of(BUDGET): _of_pairs(self.pairs)} if self.pairs else {})

    def _seeds_of(self, stage: str) -> set[int]:
        """The training seeds of a stage's cells, or of stitched trajectories."""
        tables = [values.rows for (known, _, _), values in self.cells.items() if known == stage]
        tables += [self.stitched.rows] if stage == STITCH and self.stitched else []
        return {seed for rows in tables for seed in rows["seed"]}

    def _ask(self, rows: pd.DataFrame, metric: str) -> None:
        trainings = Trainings(rows["seed"].nunique(), pooled_sizes(rows))
        self.asked.add(trainings._replace(given=self._is_given(metric)))
        self.taken.update(zip(rows["stage"], rows["sampler"], strict=True))

    def _is_given(self, metric: str) -> bool:
        return self.spec.training_sd is not None and metric == self.spec.quality

    @cached_property
    def samplers(self) -> list[str]:
        """Samplers of the pretrained models."""
        names = {sampler for stage, sampler, _ in self.cells if stage == PRETRAIN}
        return sorted({sampler_of(name) for name in names})

    @property
    def _quality(self) -> str:
        """The metric that chooses the guidance. Raises NotRun if it is no distance.

        Claims on the quality take log ratios, which say little of scores.
        """
        if self.spec.quality in HIGHER_IS_BETTER:
            raise NotRun(
                f"it takes a distance, and guidance is chosen by a score, {self.spec.quality}"
            )
        return self.spec.quality

    def measured(
        self, kind: str, sampler: str, stage: str = PRETRAIN, beside: str | None = None
    ) -> Values:
        """Each cell's metric of a kind, in `ORDER`.

        With `beside`, a stage that these models are compared with, only of its training seeds and
        sizes: the luck of a training is in both, and must not look like a difference. Stitched
        trajectories are compared with every size.
        QUALITY (lower is better), ALIGNMENT, PERCEPTUAL (of super-resolution) or a metric's name.
        Raises NotRun if there are no such cells, or no metric of that kind.
        """
        spec = self.spec
        kinds = {ALIGNMENT: spec.alignment}
        if spec.superres:
            kinds[PERCEPTUAL] = spec.superres.perceptual
        metric = self._quality if kind == QUALITY else kinds.get(kind, kind)
        if stage not in {known for known, _, _ in self.cells}:
            raise NotRun(f"stage {stage} is not in the study")
        if (stage, sampler) not in {key[:2] for key in self.cells}:
            own, _, schedule = sampler.partition("/")
            on = f" on other schedule {schedule}" if schedule else ""
            raise NotRun(f"sampler {own}{on} is not in the study")
        if metric is None:
            raise NotRun("the study has no metric of alignment")
        key = (stage, sampler, metric)
        if key not in self.cells:
            raise NotRun(f"{metric} was not measured")
        own = self.cells[key]
        if beside:
            own = own.of_seeds(self._seeds_of(beside))
            if beside != STITCH:
                theirs = pd.concat(
                    [cells.rows for known, cells in self.cells.items() if known[0] == beside]
                )
                own = own.where(own.rows["size"].isin(theirs["size"]))
        if own.rows.empty:
            raise NotRun(f"stages {stage} and {beside} share no size and training seed")
        self._ask(own.rows, metric)
        if (*key, beside) not in self._means:
            self._means[*key, beside] = arranged(own.over_seeds(spec.confidence, spec.seed))
        return self._means[*key, beside]

    def of_real_images(self, kind: str, count: int) -> np.ndarray:
        """The metric of a kind of real images: draws [count], the first of them the value.

        Those of a normal distribution as wide as its interval, as if cells had no prompts and no
        reference in common with it: floors.csv has no draws. Metrics have the same deviates, as if
        one's luck were the other's. Raises NotRun if it is not there.
        """
        metric = self._quality if kind == QUALITY else self.spec.alignment
        if self.floors is not None:
            own = (self.floors["kind"] == "real") & (self.floors["metric"] == metric)
            if own.any():
                value, lo, hi = self.floors.loc[own, ["value", "lo", "hi"]].iloc[0].astype(float)
                deviation = (hi - lo) / (2 * ndtri((1 + self.spec.confidence) / 2))
                noise = np.random.default_rng(self.spec.seed).standard_normal(count)
                noise[0] = 0
                return value + deviation * noise
        raise NotRun(f"{metric} of real images was not measured")

    def best(self, sampler: str, stage: str = PRETRAIN, beside: str | None = None) -> Values:
        """The quality of each size and step count at its best guidance, chosen on each draw.

        `beside` is that of `measured`.
        """
        measured = self.measured(QUALITY, sampler, stage, beside)
        if (stage, sampler, beside) not in self._best:
            self._best[stage, sampler, beside] = arranged(measured.at_best_guidance())
        return self._best[stage, sampler, beside]

    def taught(self) -> Values:
        """The similarity to all subjects of each size that was taught them, smallest first.

        Raises NotRun if there is none.
        """
        if self.dreambooth is None:
            raise NotRun("stage dreambooth is not in the study")
        self._ask(self.dreambooth.rows, self.dreambooth.metric)
        return arranged(self.dreambooth.over_seeds(self.spec.confidence, self.spec.seed))

    def split_budget(self) -> Values:
        """The quality of every pair of the parameter budget. Raises NotRun if there is none."""
        if self.pairs is None:
            raise NotRun("the study splits no parameter budget")
        sizes = int(self.pairs.rows.groupby("encoder")["size"].nunique().min())
        given = self._is_given(self._quality)
        self.asked.add(Trainings(_of_pairs(self.pairs), sizes, given))
        return self.pairs

    def of_tones(self, kind: str) -> Values:
        """The metric of a kind of every cell of prompts that name no tone, in `ORDER`.

        QUALITY (against drawings of every tone), or a metric's name. Raises NotRun if there is
        none.
        """
        if not self.toned:
            raise NotRun("no bias of tones is measured")
        metric = self._quality if kind == QUALITY else kind
        own = self.toned[metric]
        own = own.where(own.rows["stage"] == BIAS)
        self._ask(own.rows, metric)
        return arranged(over_seeds(own, self.spec.confidence, self.spec.seed))

    def trajectories(self) -> Values:
        """The quality of every stitched trajectory at its best guidance.

        Raises NotRun if there is none.
        """
        if self.stitched is None:
            raise NotRun("no trajectory of the study is stitched")
        self._ask(self.stitched.rows.assign(size=models_of(self.stitched.rows)), self._quality)
        means = self.stitched.over_seeds(self.spec.confidence, self.spec.seed)
        return means.at_best_guidance()

    def kept(self, kind: str, seeds: Iterable[int] | None = None) -> Values:
        """A metric of all that is kept of candidates: ALIGNMENT, or what its name begins with.

        With `seeds`, of these training seeds only. Raises NotRun if there is none.
        """
        if self.candidates is None:
            raise NotRun("the study makes one image of each prompt")
        own = self._named(self.candidates, kind)
        own = own if seeds is None else own.of_seeds(seeds)
        return candidates.over_seeds(own, self.spec.confidence)

    @property
    def seeds_of_made(self) -> set[int]:
        """The training seeds of students with noise that was made for a score."""
        return {seed for own in (self.inverted or {}).values() for seed in own.rows["seed"]}

    def made(self, kind: str) -> Values:
        """A metric of students with unit noise and noise that was made for a score; as `kept`."""
        if self.inverted is None:
            raise NotRun("the study makes no noise for a score")
        return inverted.over_seeds(self._named(self.inverted, kind), self.spec.confidence)

    def _named(self, tables: dict[str, Values], kind: str) -> Values:
        start = str(self.spec.alignment) if kind == ALIGNMENT else kind
        found = [name for name in tables if name.startswith(start)]
        if not found:
            raise NotRun(f"{start} was not measured")
        own = tables[found[0]]
        self._ask(own.rows, own.metric)
        return own

    def replayed(self) -> pd.DataFrame:
        """search_cost.csv. Raises NotRun if there is none."""
        if self.searches is None:
            raise NotRun("no search was replayed: guidance has one scale, or was itself searched")
        self.asked.add(Trainings(1, self.searches["size"].nunique()))  # of these models only
        return self.searches

    def size(self, channels: int) -> str:
        """A size of the paper. Raises NotRun if the study lacks it or has its own family."""
        if not is_papers_layout(self.spec):
            raise NotRun("the family is not the paper's")
        if f"c{channels}" not in self.spec.family.sizes:
            raise NotRun(f"size c{channels} is not in the study")
        return f"c{channels}"


def _of_pairs(pairs: Values) -> int:
    """The training seeds that the pairs of the parameter budget are means over."""
    return int(pairs.rows["seeds"].min())


def arranged(values: Values) -> Values:
    """The same rows, sorted by `ORDER`."""
    order = values.rows.sort_values(ORDER).index.to_numpy()
    return Values(values.rows.loc[order].reset_index(drop=True), values.draws[order])


def grid(values: Values, columns: list[str]) -> tuple[list[np.ndarray], np.ndarray]:
    """The levels of each column, rising, and the draws [levels of each, ..., 1 + R].

    Raises NotRun if a combination is missing, or a column has one level only.
    """
    ordered = values.rows.sort_values(columns).index.to_numpy()
    levels = [np.array(sorted(values.rows[column].unique()), float) for column in columns]
    shape = [len(level) for level in levels]
    for column, count in zip(columns, shape, strict=True):
        if count < 2:
            raise NotRun(_LONE[column])
    if len(ordered) != np.prod(shape):
        raise NotRun(f"not every combination of {', '.join(columns)} was measured")
    return levels, values.draws[ordered].reshape(*shape, -1)


_LONE = {
    "params": "there is one size only",
    "steps": "there is one number of steps only",
    "guidance": "there is one guidance scale only",
    "trained": "no checkpoints of the training were measured",
}


def log(draws: np.ndarray) -> np.ndarray:
    """Natural logarithms; nan where a value is not above 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(draws > 0, np.log(draws), np.nan)


def falls(rows: pd.DataFrame, y: np.ndarray) -> np.ndarray:
    """How fast y [K, ...] falls with log size at equal compute, and the reverse: [2, ...].

    Both come from one regression. `rows` have columns params, gflops and trained.
    """
    params = np.log(rows["params"].to_numpy(float))
    compute = np.log(rows["gflops"].to_numpy(float) * rows["trained"].to_numpy(float))
    x = np.stack([one - one.mean() for one in (params, compute)], axis=1)
    return -np.linalg.lstsq(x, y - y.mean(axis=0))[0]


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes [...] of least-squares lines through points x [K] and y [K, ...]."""
    centred = x - x.mean()
    return np.tensordot(centred, y, axes=1) / (centred**2).sum()
