"""Claims on distillation: Figures 13, 19 and 20 of the paper.

Students are compared at few steps, at the best guidance that they are told, with undistilled models
of the fixed setting's sampler at theirs.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..jobs.tables import records
from ..kinds.stages import DISTILL, GUIDED_DISTILL, SAMPLER_OF
from ..study.distill import FEW_STEPS
from ..tables.acceleration import at_steps, steps_to_reach
from ..tables.curves import Curve, curve_of, sizes_of
from ..tables.values import Values
from .evidence import Evidence, NotRun, log
from .statement import Claim, Every, Some, Statistic

DISTILLATION = "Distillation"
_GAIN, _COST, _GUIDED = "distill_gain", "distill_vs_cost", "guided_distill_gain"
_AS_GOOD = np.log(1.05)
"""what two values that are called equally good may differ by"""
_ALIKE = 1.5
"""what two accelerations that are called equal may differ by, as a factor"""
_PAPERS_ACCELERATION = 5
_PAPERS_COST = 8
"""at which undistilled 83M is said to be as good as distilled 866M: the higher of its 7 and 8"""
_GAINS, _TIES = 1.04, 1.01
"""factors from which on a student gains, and up to which it does not"""
_GUIDED_STEPS = (4, 10)
"""the range of the paper's Figure 19"""


def _students(evidence: Evidence) -> Values:
    """The students at few steps, smallest size first."""
    best = evidence.best(SAMPLER_OF[DISTILL], DISTILL)
    few = best.where(best.rows["steps"] == FEW_STEPS)
    if few.rows.empty:
        raise NotRun(f"no student was sampled at {FEW_STEPS} steps")
    return few


def _gains(evidence: Evidence, steps: int) -> np.ndarray:
    """Log ratios [S, 1 + R] of the undistilled value at these steps to the student's at few."""
    students = _students(evidence)
    undistilled = evidence.best(evidence.spec.fixed.sampler, beside=DISTILL)
    sizes = students.rows["size"]
    if any((size, steps) not in _sampled(undistilled) for size in sizes):
        raise NotRun(f"undistilled models were not sampled at {steps} steps")
    return np.stack([log(at_steps(undistilled, size, steps)) for size in sizes]) - log(
        students.draws
    )


def _sampled(values: Values) -> set[tuple[str, int]]:
    """Size and steps of the rows."""
    return set(zip(values.rows["size"], values.rows["steps"], strict=True))


def _improves_every_size(evidence: Evidence) -> Statistic:
    return Every(_gains(evidence, FEW_STEPS))


def _reaches(evidence: Evidence, steps: int) -> Statistic:
    return Every(_gains(evidence, steps) + _AS_GOOD)


def _steps_worth(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Undistilled steps [S, 1 + R] that a student's few are worth, and each size's fewest and most.

    The latter are [S, 1]. 0 and inf stand for less and more than a size was sampled at.
    """
    students = _students(evidence)
    undistilled = evidence.best(evidence.spec.fixed.sampler, beside=DISTILL)
    curves = [curve_of(undistilled, size, "steps") for size in students.rows["size"]]
    if any(len(curve.costs) < 2 for curve in curves):
        raise NotRun("an undistilled size has fewer than two step counts with a value")
    if not np.isfinite(students.draws).all():
        raise NotRun("a student failed")
    pairs = zip(curves, students.draws, strict=True)
    worth = np.stack([steps_to_reach(curve, target) for curve, target in pairs])
    fewest, most = np.array([(curve.start, curve.end) for curve in curves]).T[..., None]
    return worth, fewest, most


def _accelerates_five_times(evidence: Evidence) -> Statistic:
    worth, fewest, most = _steps_worth(evidence)
    low, high = (FEW_STEPS * _PAPERS_ACCELERATION * factor for factor in (1 / _ALIKE, _ALIKE))
    # What is beyond a size's steps may be any number beyond: where they end between the two bounds,
    # it is taken to be at the farther one, which decides neither way.
    worth = log(np.clip(worth, np.minimum(fewest, low), np.maximum(most, high)))
    return Every(np.concatenate([worth - np.log(low), np.log(high) - worth]))


def _accelerates_alike(evidence: Evidence) -> Statistic:
    worth, fewest, most = _steps_worth(evidence)
    if len(worth) < 2:
        raise NotRun("there is one size only")
    fewest, most = fewest.max(), most.min()  # the range that all sizes share
    outside = (worth <= fewest) | (worth >= most)
    logs = log(np.clip(worth, fewest, most))
    apart = np.abs(logs - logs.mean(axis=0))
    # Sizes that leave the grid are at least as far apart as its ends say: they may speak against
    # the claim, and never for it.
    return Every(np.minimum(np.log(_ALIKE) - apart, np.where(outside.any(axis=0), 0, np.inf)))


def _undistilled(evidence: Evidence, cost: str) -> list[Curve]:
    """The curves of undistilled models over a cost, smallest size first."""
    best = evidence.best(evidence.spec.fixed.sampler, beside=DISTILL)
    return [curve_of(best, size, cost) for size in sizes_of(best)]


def _smaller_matches_largest(evidence: Evidence, cost: str) -> Statistic:
    students = _students(evidence)
    largest = students.rows.iloc[-1]
    smaller = [
        curve.within(largest[cost])
        for curve in _undistilled(evidence, cost)
        if curve.size != largest["size"] and len(curve.costs) and curve.start <= largest[cost]
    ]
    if not smaller:
        raise NotRun("no smaller size was sampled at that cost or below")
    return Some(log(students.draws[-1]) - log(np.stack(smaller)) + _AS_GOOD)


def _pair_matches(evidence: Evidence, cost: str) -> Statistic:
    small, large = evidence.size(96), evidence.size(320)
    target = at_steps(_students(evidence), large, FEW_STEPS)
    for curve in _undistilled(evidence, cost):
        if curve.size == small and len(curve.costs) and curve.start <= _PAPERS_COST:
            return log(target) - log(curve.within(_PAPERS_COST)) + _AS_GOOD
    raise NotRun(f"size {small} was not sampled at cost {_PAPERS_COST} or below")


def _gains_are_inconsistent(evidence: Evidence) -> Statistic:
    stages = sorted({stage for stage, _, _ in evidence.cells if stage.startswith(GUIDED_DISTILL)})
    if not stages:
        raise NotRun(f"stage {GUIDED_DISTILL} is not in the study")
    undistilled, gains = evidence.best(evidence.spec.fixed.sampler, beside=stages[0]), []
    sampled = _sampled(undistilled)
    for stage in stages:
        students = evidence.best(SAMPLER_OF[GUIDED_DISTILL], stage)
        for row, draws in zip(records(students.rows), students.draws, strict=True):
            in_range = _GUIDED_STEPS[0] <= row.steps <= _GUIDED_STEPS[1]
            if in_range and (row.size, row.steps) in sampled:
                gains.append(log(at_steps(undistilled, row.size, row.steps)) - log(draws))
    if len(gains) < 2:
        raise NotRun("students and undistilled models have too few step counts in common")
    gain, tie = np.log(_GAINS), np.log(_TIES)
    return Every([Some([own - gain for own in gains]), Some([tie - own for own in gains])])


_OTHER_COST = {"sampling_cost": "", "guided_cost": ", counting guidance's second forward"}


def _both_costs(id_: str, source: str, sentence: str, statistic: str, of) -> list[Claim]:
    """A claim by the paper's cost, and the same by guided cost."""
    return [
        Claim(
            f"distill-{id_}{'-in-guided-cost' if note else ''}",
            DISTILLATION,
            source if not note else "this project",
            f"{sentence}{note}",
            statistic,
            _COST,
            partial(of, cost=cost),
        )
        for cost, note in _OTHER_COST.items()
    ]


CLAIMS = [
    Claim(
        "distill-improves-every-size",
        DISTILLATION,
        "Figure 13",
        f"At {FEW_STEPS} steps every distilled size is better than the same size undistilled",
        f"log ratio of the undistilled metric to the distilled one at {FEW_STEPS} steps, every"
        " size",
        _GAIN,
        _improves_every_size,
    ),
    Claim(
        "distill-reaches-20-steps",
        DISTILLATION,
        "Figure 13",
        f"Distilled models at {FEW_STEPS} steps are as good as undistilled ones at 20, at every"
        " size",
        f"log ratio of the undistilled metric at 20 steps to the distilled one at {FEW_STEPS}, plus"
        " 5 %, every size",
        _GAIN,
        partial(_reaches, steps=20),
    ),
    Claim(
        "distill-accelerates-five-times",
        DISTILLATION,
        "Figure 13",
        "Distillation saves about four fifths of the steps, at every size",
        "logarithm of one and a half less how far, as a log ratio, the acceleration is from 5,"
        " every size",
        _GAIN,
        _accelerates_five_times,
    ),
    Claim(
        "distill-accelerates-all-sizes-alike",
        DISTILLATION,
        "Figure 13; summary article",
        "Each size's acceleration is within a factor of one and a half of their geometric mean",
        "logarithm of one and a half less how far, as a log ratio, each size's acceleration is from"
        " their geometric mean, every size",
        _GAIN,
        _accelerates_alike,
    ),
    *_both_costs(
        "leaves-a-smaller-size-as-good",
        "Figure 13; summary article",
        f"At the cost of {FEW_STEPS} steps of the largest distilled size a smaller undistilled one"
        " is as good",
        "log ratio of the largest distilled size's metric to a smaller undistilled one's at that"
        " cost, plus 5 %, the best of them",
        _smaller_matches_largest,
    ),
    *_both_costs(
        "leaves-c96-as-good-as-c320",
        "Figures 13 and 20; summary article",
        f"At cost {_PAPERS_COST} the undistilled 83M model is as good as the distilled 866M model",
        f"log ratio of the metric of distilled c320 at {FEW_STEPS} steps to that of undistilled c96"
        f" at cost {_PAPERS_COST}, plus 5 %",
        _pair_matches,
    ),
    Claim(
        "guided-distill-gains-are-inconsistent",
        DISTILLATION,
        "Figure 19",
        "Guided distillation gains at some sizes and numbers of steps (more than 4 %) and not at"
        " others (less than 1 %)",
        "log ratio of the undistilled metric to the distilled one at 4 to 10 steps: the best of all"
        " less 4 %, and 1 % less the worst, each of the two",
        _GUIDED,
        _gains_are_inconsistent,
    ),
]
