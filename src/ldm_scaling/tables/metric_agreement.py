"""Do the metrics rank the sizes alike, at each sampling budget?

metric_ranking.csv ranks the sizes by each metric. metric_agreement.csv compares the rankings of
each two metrics by Kendall's tau. Intervals of ranks and of tau are those that the differences of
pairs of sizes leave (Mogstad et al. 2024): a quantile of ranks over draws is wrong for sizes that
are almost as good as each other.
"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.choice import OK
from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.tables import to_csv
from ..jobs.workdir import write_text
from ..kinds.metrics import sign
from .arguments import Confidence, Metrics, Out, SelectBy, SeveralCellFiles
from .bounds import bounds
from .curves import sizes_of
from .values import Values, degrees_of, interval, read_values

TOO_FEW = "fewer than two sizes"
RANKING = ["sampler", "budget", "metric", "size", "params", "rank", "rank_lo", "rank_hi"]
RANKING += ["value", "lo", "hi", "steps", "guidance", "n", "status"]
AGREEMENT = ["sampler", "budget", "metric", "other", "tau", "lo", "hi", "sizes"]
AGREEMENT += ["agreeing", "contradicting", "n", "status"]


def within(points: Values, budget: float) -> Values:
    """The best that each size affords within a sampling budget, smaller sizes first.

    `points` are those of `at_best_guidance`; each draw chooses its step count. A size whose
    affordable cells all failed keeps a row without values.
    """
    better = sign(points.metric)
    affordable = points.where(points.rows["sampling_cost"] <= budget)
    rows, draws = [], []
    for size in sizes_of(affordable):
        members = np.flatnonzero(affordable.rows["size"] == size)
        finite = members[np.isfinite(affordable.draws[members]).all(axis=1)]
        own = better * affordable.draws[finite]
        rows.append(finite[own[:, 0].argmin()] if len(finite) else members[0])
        lost = np.full(points.draws.shape[1], np.nan)
        draws.append(better * own.min(axis=0) if len(finite) else lost)
    shape = (len(rows), points.draws.shape[1])
    chosen = affordable.rows.iloc[rows].reset_index(drop=True)
    return Values(chosen, np.array(draws).reshape(shape))


def ranked(values: Values) -> Values:
    """The sizes of `within` that have values."""
    return values.where(np.isfinite(values.draws[:, 0]))


def ranks(values: Values) -> np.ndarray:
    """The rank [S, 1 + R] of each size in each draw, 1 the best; of sizes that have values."""
    better = sign(values.metric) * values.draws if len(values.rows) else values.draws
    return better.argsort(axis=0, kind="stable").argsort(axis=0) + 1


def gaps(values: Values) -> np.ndarray:
    """By how much the first of each pair of sizes is worse: draws [pairs, 1 + R]."""
    pairs = list(combinations(range(len(values.rows)), 2))
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    return sign(values.metric) * (values.draws[first] - values.draws[second])


def kendall(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Kendall's tau [1 + R] of two metrics, from their `gaps`; a tie counts 0 (tau-a)."""
    return (np.sign(ours) * np.sign(theirs)).mean(axis=0)


def ranking_rows(values: Values, budget: float, confidence: float, degrees: int = 0) -> list[dict]:
    """Rows of metric_ranking.csv of one sampler, metric and budget, in the columns `RANKING`.

    `degrees` of freedom has the spread of training seeds, if draws contain it.
    """
    there = ranked(values)
    found = dict(zip(there.rows["size"], _rank_bounds(there, confidence, degrees), strict=True))
    rows = []
    for row, draws in zip(values.rows.to_dict("records"), values.draws, strict=True):
        own = {"value": np.nan, "lo": np.nan, "hi": np.nan, "status": "diverged"}
        if row["size"] in found:
            own = dict(zip(["value", "lo", "hi"], interval(draws, confidence), strict=True))
            rank = found[row["size"]]
            own |= dict(zip(["rank", "rank_lo", "rank_hi"], rank, strict=True), status=OK)
        rows.append(row | {"budget": budget} | own)
    return rows


def agreement_row(
    ours: Values, theirs: Values, budget: float, confidence: float, degrees: int = 0
) -> dict:
    """A row of metric_agreement.csv of one sampler, two metrics and a budget.

    `degrees` are those of `ranking_rows`.
    """
    first = ours.rows.iloc[0]
    found = {"sampler": first["sampler"], "budget": budget, "n": first["n"]}
    found |= {"metric": ours.metric, "other": theirs.metric}
    a, b = (
        own.where(np.isfinite(ours.draws[:, 0]) & np.isfinite(theirs.draws[:, 0]))
        for own in (ours, theirs)
    )
    found["sizes"] = len(a.rows)
    if len(a.rows) < 2:
        return found | {"status": TOO_FEW}
    pairs = np.stack(as_many(gaps(a), gaps(b)))
    decided = _orders(pairs.reshape(-1, pairs.shape[-1]), confidence, degrees)
    orders = decided.reshape(2, -1).prod(axis=0)
    agreeing, contradicting = int((orders > 0).sum()), int((orders < 0).sum())
    found |= {"tau": kendall(*pairs)[0], "status": OK}
    found |= {"lo": 2 * agreeing / len(orders) - 1, "hi": 1 - 2 * contradicting / len(orders)}
    return found | {"agreeing": agreeing, "contradicting": contradicting}


def as_many(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The draws [..., 1 + R] of two metrics, as many as both have."""
    count = min(ours.shape[-1], theirs.shape[-1])
    return ours[..., :count], theirs[..., :count]


def _orders(differences: np.ndarray, confidence: float, degrees: int) -> np.ndarray:
    """1 or -1 where a difference [P, 1 + R] is surely above or below 0, else 0: [P].

    Intervals are widened for their number, so that all hold together.
    """
    tries = (len(differences), len(differences))
    found = [bounds(draws, confidence, degrees, tries) for draws in differences]
    return np.array([int(own.surely_above > 0) - int(own.surely_below < 0) for own in found], int)


def _rank_bounds(values: Values, confidence: float, degrees: int) -> list[tuple[int, int, int]]:
    """The rank of each size, and its first and last one that no difference excludes."""
    count = len(values.rows)
    if not count:
        return []
    orders = _orders(gaps(values), confidence, degrees)
    better, worse = [0] * count, [0] * count
    for (first, second), order in zip(combinations(range(count), 2), orders, strict=True):
        ahead, behind = (second, first) if order > 0 else (first, second)
        better[behind] += abs(order)
        worse[ahead] += abs(order)
    own = ranks(values)[:, 0]
    return [(int(a), 1 + b, count - w) for a, b, w in zip(own, better, worse, strict=True)]


def compared(
    cells: list[Values], select_by: str, budgets: list[float], confidence: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `RANKING` and `AGREEMENT` of one sampler, from the cells of each metric.

    Raises InputError if the selecting metric is not among them.
    """
    means = {own.metric: own.over_seeds(confidence) for own in cells}
    if select_by not in means:
        raise InputError(f"--select-by {select_by}: is not among the metrics {', '.join(means)}")
    points = [own.at_best_guidance(means[select_by]) for own in means.values()]
    degrees = degrees_of(cells[0].rows)
    ranking, agreement = [], []
    for budget in budgets:
        best = [within(own, budget) for own in points]
        for own in best:
            ranking += ranking_rows(own, budget, confidence, degrees)
        if len(best[0].rows):
            agreement += [
                agreement_row(*pair, budget, confidence, degrees) for pair in combinations(best, 2)
            ]
    counts = ["sizes", "agreeing", "contradicting", "n"]
    return (
        pd.DataFrame(ranking, columns=RANKING).astype(dict.fromkeys(["steps", "n"], "Int64")),
        pd.DataFrame(agreement, columns=AGREEMENT).astype(dict.fromkeys(counts, "Int64")),
    )


@command
def main(
    cells: SeveralCellFiles,
    metrics: Metrics,
    select_by: SelectBy,
    budgets: Annotated[list[float], "sampling costs"],
    confidence: Confidence,
    ranking_out: Out,
    out: Out,
) -> None:
    """Write metric_ranking.csv and metric_agreement.csv."""
    values = [[read_values(*paths, metric) for metric in metrics] for paths in cells]
    found = [compared(own, select_by, sorted(budgets), confidence) for own in values]
    ranking, agreement = (pd.concat(own, ignore_index=True) for own in zip(*found, strict=True))
    write_text(ranking_out, to_csv(ranking))
    write_text(out, to_csv(agreement))
    print(
        f"{agreement['agreeing'].sum()} pairs of sizes in the same order by two metrics,"
        f" {agreement['contradicting'].sum()} in opposite ones"
    )
