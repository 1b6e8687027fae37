"""Claims on sampling efficiency: Figures 9 and 10 of the paper."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np

from ..tables.curves import Curve, common, curve_of, sizes_of
from .evidence import Evidence, NotRun, log
from .statement import Claim, Every, Some, Statistic

COST = "Sampling cost"
DDIM = "ddim"
PLACES = 33
"""costs at which two curves are compared along their common range"""
_RANGE = 2.0
"""a range of costs: up to so many times the lowest"""
_GUIDED = "fid_vs_guided_cost"
_AT_LOWEST = (
    "log ratio of the largest size's metric to a smaller one's at that budget, the best of them"
)


def size_curves(evidence: Evidence, sampler: str, cost: str = "sampling_cost") -> list[Curve]:
    """The curves of a sampler over a cost, smallest size first; NotRun if there are not two."""
    best = evidence.best(sampler)
    found = [curve_of(best, size, cost) for size in sizes_of(best)]
    found = [curve for curve in found if len(curve.costs) > 1]
    if len(found) < 2:
        raise NotRun("fewer than two sizes have two step counts")
    return found


def _reaching(smaller: list[Curve], cost: float) -> list[Curve]:
    found = [curve for curve in smaller if curve.start <= cost]
    if not found:
        raise NotRun("no smaller size was sampled at that cost or below")
    return found


def _smaller_wins_lowest_budget(
    evidence: Evidence, sampler: str = DDIM, cost: str = "sampling_cost"
) -> Statistic:
    *smaller, largest = size_curves(evidence, sampler, cost)
    budget = largest.start
    rivals = [curve.within(budget) for curve in _reaching(smaller, budget)]
    return Some(log(largest.at(budget)) - log(np.stack(rivals)))


def _smaller_wins_over_a_range(evidence: Evidence) -> Statistic:
    *smaller, largest = size_curves(evidence, DDIM)
    places = np.geomspace(largest.start, largest.start * _RANGE, 9)
    if places[-1] > largest.end:
        raise NotRun("the largest size was not sampled at twice its lowest cost")
    rivals = [
        [log(largest.at(place)) - log(rival.within(place)) for place in places]
        for rival in _reaching(smaller, largest.start)
    ]
    return Some(np.min(rivals, axis=1))


def _largest_wins_highest_budget(evidence: Evidence, sampler: str = DDIM) -> Statistic:
    *smaller, largest = size_curves(evidence, sampler)
    budget = min(max(curve.end for curve in smaller), largest.end)
    if budget < largest.start:
        raise NotRun("the largest size was sampled at higher costs only")
    rivals = [curve.within(budget) for curve in _reaching(smaller, budget)]
    return Every(log(np.stack(rivals)) - log(largest.at(budget)))


def _pairs(evidence: Evidence, sampler: str) -> list[tuple[Curve, Curve, tuple[float, float]]]:
    """Each smaller and larger size that share a range of costs, and that range."""
    pairs = combinations(size_curves(evidence, sampler), 2)
    found = [(*pair, shared) for pair in pairs if (shared := common(*pair))]
    if not found:
        raise NotRun("no two sizes were sampled at a common range of costs")
    return found


def _smaller_is_often_ahead(evidence: Evidence, sampler: str = DDIM) -> Statistic:
    shares = []
    for smaller, larger, shared in _pairs(evidence, sampler):
        places = np.geomspace(*shared, PLACES)
        gaps = np.array([larger.at(place) - smaller.at(place) for place in places])
        shares.append((np.sign(gaps).mean(axis=0) + 1) / 2)  # a tie is half a win
    return np.mean(shares, axis=0) - 0.5


def _advantage_shrinks(evidence: Evidence) -> Statistic:
    changes = []
    for smaller, larger, ends in _pairs(evidence, DDIM):
        low, high = (log(larger.at(end)) - log(smaller.at(end)) for end in ends)
        changes.append(low - high)
    return np.mean(changes, axis=0)


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


def budget_claims(
    topic: str, source: str, figure: str, sampler: str, name: str = ""
) -> list[Claim]:
    """The claims on sizes at budgets, of a sampler; with a name, sentences and ids tell it."""
    tail, under = (f"-with-{sampler}", f" ({name})") if name else ("", "")
    only = None if name else sampler  # a figure of several samplers shows this one
    return [
        Claim(
            f"smaller-wins-the-lowest-budget{tail}",
            topic,
            source,
            "At the lowest budget at which the largest size can be sampled, a smaller one is"
            f" better{under}",
            _AT_LOWEST,
            figure,
            partial(_smaller_wins_lowest_budget, sampler=sampler),
            only,
        ),
        Claim(
            f"smaller-is-often-ahead{tail}",
            topic,
            source,
            f"At equal sampling cost the smaller of two sizes is often the better one{under}",
            "share of the common range of log costs where the smaller is ahead, mean over pairs,"
            " less one half",
            figure,
            partial(_smaller_is_often_ahead, sampler=sampler),
            only,
        ),
        Claim(
            f"largest-wins-the-highest-budget{tail}",
            topic,
            source,
            f"Once the budget is relaxed, the largest size is the best{under}",
            "log ratio of every smaller size's metric to the largest's, at the highest cost that"
            " one of them reaches",
            figure,
            partial(_largest_wins_highest_budget, sampler=sampler),
            only,
        ),
    ]


def _own_cost(id_: str, column: str, what: str, figure: str) -> Claim:
    return Claim(
        f"smaller-wins-the-lowest-budget-in-{id_}",
        COST,
        "this project",
        f"A smaller size is better at the largest's lowest budget also where {what}",
        _AT_LOWEST,
        figure,
        partial(_smaller_wins_lowest_budget, cost=column),
        DDIM,
    )


CLAIMS = [
    *budget_claims(COST, "Figure 9", "fid_vs_cost", DDIM),
    Claim(
        "smaller-wins-over-a-range-of-budgets",
        COST,
        "Figure 9",
        "One smaller size beats the largest from its lowest cost to twice that",
        "smallest log ratio of the largest size's metric to a smaller one's along that range, the"
        " best of them",
        "fid_vs_cost",
        _smaller_wins_over_a_range,
        DDIM,
    ),
    Claim(
        "advantage-of-smaller-shrinks-with-budget",
        COST,
        "Figure 9; summary article",
        "What a smaller size is ahead by shrinks as the budget grows",
        "log ratio of the larger's metric to the smaller's at their lowest common cost less that"
        " at their highest, mean over pairs",
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
    _own_cost("guided-cost", "guided_cost", "guidance's second forward counts", _GUIDED),
    _own_cost("total-cost", "total_cost", "the text encoder and the decoder count too", _GUIDED),
    _own_cost("seconds", "seconds", "cost is measured seconds", "fid_vs_seconds"),
]
