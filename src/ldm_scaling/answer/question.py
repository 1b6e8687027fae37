"""A question to a study: what is best within limits, or the cheapest that is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..jobs.cli import InputError
from ..kinds.metrics import sign
from ..tables.choose import Choice, Configurations
from .budget import GUIDED, MEMORY, Budget
from .source import Source


@dataclass(frozen=True)
class Question:
    """All configurations that are allowed, by the metric that decides."""

    source: Source
    allowed: Configurations
    confidence: float
    limits: tuple[str, ...] = ()
    """in words"""

    @classmethod
    def of(
        cls,
        source: Source,
        metric: str | None,
        require: Sequence[Sequence[str]],
        memory: float | None,
        confidence: float,
    ) -> Question:
        """The question with these limits. Raises InputError if a column or metric is not there."""
        metric = metric or source.metric
        named = [metric, *(name for name, _ in require)] if metric else []
        table = source.frontier(named, confidence)
        metric = metric or str(table["metric"].iloc[0])  # the first of frontier.csv chooses
        limits, cells = [], set(table["cell"])
        if memory is not None:
            if MEMORY not in table or table[MEMORY].isna().all():
                raise InputError("--memory: the study has none, since it was not sampled on a GPU")
            cells &= set(table.loc[table[MEMORY] <= memory, "cell"])
            limits.append(f"at most {memory:g} GB of GPU memory")
        for name, text in require:
            own = Configurations.of(table, name).rows
            try:
                value = float(text)
            except ValueError:
                raise InputError(f"--require {name} {text}: {text} is no number") from None
            good = sign(name) * own["value"] <= sign(name) * value
            cells &= set(own.loc[good, "cell"])
            limits.append(f"{name} of at {'most' if sign(name) > 0 else 'least'} {value:g}")
        rows = table[table["cell"].isin(cells) | (table["metric"] != metric)]
        if not cells:
            raise InputError(f"no configuration has {' and '.join(limits)}; allow more")
        return cls(source, Configurations.of(rows, metric), confidence, tuple(limits))

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.allowed.metric

    def limit(self, budget: Budget) -> float:
        """A budget in the unit of its column."""
        return budget.limit(self.source.reference()[1])

    def choose(self, axis: str, limit: float) -> Choice | None:
        """The best within a limit; None if nothing is so cheap."""
        return self.allowed.choose(self.allowed.within(axis, limit), axis, self.confidence)

    def cheapest(self, quality: float, axis: str = GUIDED) -> float | None:
        """The lowest cost of a choice that reaches a value without its luck; None if none does."""
        better = sign(self.metric)
        for cost, choice in self.allowed.envelope(axis, self.confidence):
            value = self.allowed.rows["value"][choice.row] + choice.luck
            if better * value <= better * quality:
                return cost
        return None

    def among(self, keep: np.ndarray) -> Question:
        """The same question to some of the configurations, a mask of them."""
        own = self.allowed
        rows = own.rows[keep].reset_index(drop=True)
        return replace(self, allowed=replace(own, rows=rows, halves=own.halves[keep]))

    def row(self, number: int) -> pd.Series:
        """A configuration."""
        return self.allowed.rows.iloc[number]
