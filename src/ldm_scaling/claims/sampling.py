"""Claims on sampling efficiency: Figures 9 and 10 of the paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from ..kinds.schedules import SCHEDULES
from ..tables.curves import Curve, common, curve_of, sizes_of
from .evidence import Evidence, NotRun, log
from .statement import Claim, Every, Some, Statistic

COST = "Sampling cost"
DDIM = "ddim"
FEWEST = 4
"""steps: the paper's curves start there, and so do claims on them"""
PLACES = 33
"""costs at which two curves are compared along their common range"""
_RANGE = 2.0
"""a range of costs: up to so many times the lowest"""
_GUIDED = "fid_vs_guided_cost"


def size_curves(
    evidence: Evidence, sampler: str, cost: str = "sampling_cost", fewest: int = FEWEST
) -> list[Curve]:
    """The curves of a sampler over a cost, smallest size first; NotRun if there are not two.

    Cells of fewer than `fewest` steps are left out.
    """
    best = evidence.best(sampler)
    best = best.where(best.rows["steps"] >= fewest)
    found = [curve_of(best, size, cost) for size in sizes_of(best)]
    found = [curve for curve in found if len(curve.costs) > 1]
    if len(found) < 2:
        raise NotRun("fewer than two sizes have two step counts")
    return found


def _with_largest(
    evidence: Evidence, sampler: str, cost: str = "sampling_cost", fewest: int = FEWEST
) -> tuple[list[Curve], Curve]:
    """The curves of smaller sizes and that of the largest.

    Raises NotRun if the largest size has none, or the next one would be taken for it.
    """
    *smaller, largest = size_curves(evidence, sampler, cost, fewest)
    if largest.size != sizes_of(evidence.best(sampler))[-1]:
        raise NotRun("the largest size has fewer than two step counts with a value")
    return smaller, largest


def _cost_at(evidence: Evidence, sampler: str, largest: Curve, steps: int, cost: str) -> float:
    """What some steps of the largest size cost. Raises NotRun if it has no value there."""
    best = evidence.best(sampler)
    rows = best.rows[np.isfinite(best.draws[:, 0])]
    own = rows[(rows["size"] == largest.size) & (rows["steps"] == steps)]
    if own.empty:
        raise NotRun(f"the largest size has no value at {steps} steps")
    return float(own[cost].iloc[0])


def _reaching(smaller: list[Curve], cost: float) -> list[Curve]:
    found = [curve for curve in smaller if curve.start <= cost]
    if not found:
        raise NotRun("no smaller size was sampled at that cost or below")
    return found


def _smaller_wins_at(
    evidence: Evidence, steps: int, sampler: str = DDIM, cost: str = "sampling_cost"
) -> Statistic:
    smaller, largest = _with_largest(evidence, sampler, cost, fewest=steps)
    budget = _cost_at(evidence, sampler, largest, steps, cost)
    rivals = [curve.within(budget) for curve in _reaching(smaller, budget)]
    return Some(log(largest.within(budget)) - log(np.stack(rivals)))


def _smaller_wins_on(evidence: Evidence, steps: int, schedule: str) -> Statistic:
    # cells on other schedules are those of the study's first sampler
    return _smaller_wins_at(evidence, steps, f"{evidence.spec.figure_sampler}/{schedule}")


def _smaller_wins_over_a_range(evidence: Evidence) -> Statistic:
    smaller, largest = _with_largest(evidence, DDIM)
    cost = _cost_at(evidence, DDIM, largest, FEWEST, "sampling_cost")
    places = np.geomspace(cost, cost * _RANGE, 9)
    if places[-1] > largest.end:
        raise NotRun("the largest size was not sampled at twice its lowest cost")
    rivals = [
        [log(largest.at(place)) - log(rival.within(place)) for place in places]
        for rival in _reaching(smaller, cost)
    ]
    return Some([Every(np.array(along)) for along in rivals])


def _largest_wins_highest_budget(evidence: Evidence, sampler: str = DDIM) -> Statistic:
    smaller, largest = _with_largest(evidence, sampler)
    budget = min(max(curve.end for curve in smaller), largest.end)
    if budget < largest.start:
        raise NotRun("the largest size was sampled at higher costs only")
    rivals = np.concatenate([curve.up_to(budget) for curve in _reaching(smaller, budget)])
    return Every(log(rivals) - log(largest.at(budget)))


def _pairs(evidence: Evidence, sampler: str) -> list[tuple[Curve, Curve, tuple[float, float]]]:
    """Each smaller and larger size that share a range of costs, and that range."""
    pairs = combinations(size_curves(evidence, sampler), 2)
    found = [(*pair, shared) for pair in pairs if (shared := common(*pair))]
    if not found:
        raise NotRun("no two sizes were sampled at a common range of costs")
    return found


def _smaller_is_ahead(evidence: Evidence, sampler: str = DDIM) -> Statistic:
    leads = [lead(*pair) for pair in _pairs(evidence, sampler)]
    return np.mean(leads, axis=0)


def lead(smaller: Curve, larger: Curve, shared: tuple[float, float]) -> np.ndarray:
    """The log ratio [1 + R] of the larger's metric to the smaller's, mean over log costs."""
    places = np.geomspace(*shared, PLACES)
    return np.mean([log(larger.at(place)) - log(smaller.at(place)) for place in places], axis=0)


def _advantage_shrinks(evidence: Evidence) -> Statistic:
    changes = []
    for smaller, larger, ends in _pairs(evidence, DDIM):
        low, high = (log(larger.at(end)) - log(smaller.at(end)) for end in ends)
        changes.append((low - high, low))
    return Every(np.mean(changes, axis=0))


def _sized(evidence: Evidence, channels: int, cost: float) -> np.ndarray:
    """The draws [1 + R] of a size of the paper within a sampling cost."""
    size = evidence.size(channels)
    for curve in size_curves(evidence, DDIM):
        if curve.size == size and curve.start <= cost:
            return curve.within(cost)
    raise NotRun(f"size {size} was not sampled at cost {cost:g} or below")


def _beats_at_cost(evidence: Evidence, winner: int, loser: int, cost: float) -> Statistic:
    return log(_sized(evidence, loser, cost)) - log(_sized(evidence, winner, cost))


def _best_of_all_at_cost(evidence: Evidence, winner: int, cost: float) -> Statistic:
    own = log(_sized(evidence, winner, cost))
    size = evidence.size(winner)
    others = [curve for curve in size_curves(evidence, DDIM) if curve.size != size]
    rivals = [curve.within(cost) for curve in others if curve.start <= cost]
    if not rivals:
        raise NotRun(f"no other size was sampled at cost {cost:g} or below")
    return Every(log(np.stack(rivals)) - own)


def _at_steps(
    topic: str,
    source: str,
    figure: str,
    steps: int,
    id_: str,
    where: str,
    only: str | None,
    statistic: Callable[..., Statistic] = _smaller_wins_at,
    **of: Any,
) -> Claim:
    """The claim that a smaller size wins at the cost of some steps of the largest."""
    return Claim(
        f"smaller-wins-at-the-cost-of-{steps}-steps{id_}",
        topic,
        source,
        f"At the cost of {steps} steps of the largest size a smaller one is better{where}",
        "log ratio of the largest size's metric to a smaller one's at that cost, the best of them",
        figure,
        partial(statistic, steps=steps, **of),
        only,
    )


def budget_claims(
    topic: str, source: str, figure: str, sampler: str, name: str = ""
) -> list[Claim]:
    """The claims on sizes at budgets, of a sampler; with a name, sentences and ids tell it."""
    tail, under = (f"-with-{sampler}", f" ({name})") if name else ("", "")
    only = None if name else sampler  # a figure of several samplers shows this one
    return [
        *(
            _at_steps(topic, said, figure, steps, tail, under, only, sampler=sampler)
            for steps, said in ((2, "this project"), (FEWEST, source))
        ),
        Claim(
            f"smaller-is-ahead-on-average{tail}",
            topic,
            source,
            f"Over all sampling costs that two sizes share, from {FEWEST} steps on, the smaller is"
            f" the better one on average{under}",
            "log ratio of the larger's metric to the smaller's, mean along the common range of log"
            " costs and over pairs",
            figure,
            partial(_smaller_is_ahead, sampler=sampler),
            only,
        ),
        Claim(
            f"largest-wins-the-highest-budget{tail}",
            topic,
            source,
            "At the highest cost that it shares with a smaller size, the largest size is better"
            f" than every smaller one at that cost or below, from {FEWEST} steps on{under}",
            "log ratio of every smaller size's metric, at that cost and at each of its step counts"
            " below it, to the largest's at that cost",
            figure,
            partial(_largest_wins_highest_budget, sampler=sampler),
            only,
        ),
    ]


CLAIMS = [
    *budget_claims(COST, "Figure 9", "fid_vs_cost", DDIM),
    Claim(
        "smaller-wins-over-a-range-of-budgets",
        COST,
        "Figure 9",
        f"One smaller size beats the largest from the cost of its {FEWEST} steps to twice that",
        "log ratio of the largest size's metric to a smaller one's, at every cost along that range,"
        " the best of them",
        "fid_vs_cost",
        _smaller_wins_over_a_range,
        DDIM,
    ),
    Claim(
        "advantage-of-smaller-shrinks-with-budget",
        COST,
        "Figure 9; summary article",
        f"What a smaller size is ahead by shrinks as the budget grows, from {FEWEST} steps on",
        "log ratio of the larger's metric to the smaller's at their lowest common cost, and what"
        " it is more than at their highest, each of the two; mean over pairs",
        "fid_vs_cost",
        _advantage_shrinks,
        DDIM,
    ),
    Claim(
        "c96-is-best-at-cost-3",
        COST,
        "Figure 9",
        "At sampling cost 3 the 83M model is better than every other",
        "log ratio of every other size's metric to that of c96 at cost 3",
        "fid_vs_cost",
        partial(_best_of_all_at_cost, winner=96, cost=3),
        DDIM,
    ),
    *[
        Claim(
            f"c128-beats-c320-at-cost-{cost}",
            COST,
            "Figures 9 and 10; summary article",
            f"At sampling cost {cost} the 145M model beats the 866M model",
            f"log ratio of the metric of c320 to that of c128 at cost {cost}",
            "fid_vs_cost",
            partial(_beats_at_cost, winner=128, loser=320, cost=cost),
            DDIM,
        )
        for cost in (6, 12)
    ],
    *[
        _at_steps(
            COST,
            "this project",
            "schedules_vs_cost",
            steps,
            f"-on-{schedule}",
            f" ({schedule} schedule)",
            None,
            _smaller_wins_on,
            schedule=schedule,
        )
        for schedule in SCHEDULES
        for steps in (2, FEWEST)
    ],
    *[
        _at_steps(
            COST, "this project", figure, steps, f"-in-{id_}", f", where {what}", DDIM, cost=column
        )
        for id_, column, what, figure in (
            ("guided-cost", "guided_cost", "guidance's second forward counts", _GUIDED),
            ("total-cost", "total_cost", "the text encoder and the decoder count too", _GUIDED),
            ("seconds", "seconds", "cost is measured seconds", "fid_vs_seconds"),
        )
        for steps in (2, FEWEST)
    ],
]
