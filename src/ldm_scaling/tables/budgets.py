"""What a sampling budget buys, and which size wins at it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..jobs.choice import OK
from ..jobs.cli import InputError
from ..kinds.metrics import sign
from .values import Values, interval

WINNERS = ["budget", "size", "value", "lo", "hi", "steps", "guidance", "tied_with"]


def of_sampler(table: pd.DataFrame, sampler: str) -> pd.DataFrame:
    """The rows of one sampler. Raises InputError if there are none."""
    rows = table[table["sampler"] == sampler]
    if rows.empty:
        known = ", ".join(sorted(table["sampler"].unique()))
        raise InputError(f"sampler {sampler} is not in the table (known: {known})")
    return rows


def of_model(table: pd.DataFrame, stage: str, size: str, seed: int) -> pd.DataFrame:
    """The rows of one model. Raises InputError if there are none."""
    is_model = (table["stage"] == stage) & (table["size"] == size) & (table["seed"] == seed)
    if not is_model.any():
        raise InputError(f"model {stage} {size} seed{seed} is not in the table")
    return table[is_model]


def of_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of one metric; a table without rows has none of any.

    Raises InputError if there are only others, or if they mix stages or samplers, whose sizes must
    be compared separately.
    """
    rows = table[table["metric"] == metric]
    if rows.empty and len(table):
        known = ", ".join(sorted(table["metric"].unique()))
        raise InputError(f"metric {metric} is not in the table (known: {known})")
    for column in ("stage", "sampler"):
        if column in rows and rows[column].nunique() > 1:
            found = ", ".join(sorted(rows[column].unique()))
            raise InputError(f"the table mixes {column}s ({found}); compare sizes within one")
    return rows


def winners(points: Values, budgets: Iterable[float], confidence: float) -> pd.DataFrame:
    """The size with the best value at each sampling budget, in the columns `WINNERS`.

    `points` are those of `best_points`, of one stage, sampler and metric. Each size does the best
    it can with the step counts whose sampling cost is within the budget. `tied_with` names, best
    first and separated by spaces, the sizes whose difference from the winner has an interval that
    reaches 0. If nothing can be sampled within a budget, size is "".
    """
    better = sign(points.metric)
    ranked = points.rows[points.rows["status"] == OK]
    ranked = ranked.sort_values("value", ascending=better > 0, kind="stable")
    rows = []
    for budget in budgets:
        affordable = ranked[ranked["sampling_cost"] <= budget].drop_duplicates("size")
        if affordable.empty:
            rows.append({"budget": budget, "size": "", "tied_with": ""})
            continue
        own = points.draws[affordable.index]
        behind = [interval(better * (draws - own[0]), confidence)[1] for draws in own[1:]]
        tied = affordable["size"].iloc[1:][np.array(behind) <= 0]
        rows.append({**affordable.iloc[0], "budget": budget, "tied_with": " ".join(tied)})
    return pd.DataFrame(rows, columns=WINNERS)
