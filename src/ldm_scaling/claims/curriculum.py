"""Claims on curricula over noise levels (Kim et al., arXiv 2403.10348).

Models that begin with some noise levels only are compared with those of the same seed that see all
from the beginning, at equal images seen, at every number of steps and their best guidance.
"""

from __future__ import annotations

import numpy as np

from ..kinds.stages import EASY_TO_HARD, HARD_TO_EASY, PRETRAIN, curriculum_stage
from ..tables.values import Values
from .evidence import Evidence, NotRun, log, slope
from .statement import Claim, Every, Statistic

_TOPIC, _SOURCE, _FIGURE = "Curriculum", "arXiv 2403.10348", "curriculum_vs_cost"
_EASY, _HARD = curriculum_stage(EASY_TO_HARD), curriculum_stage(HARD_TO_EASY)


def _at(values: Values, keys: list[tuple[str, int]]) -> Values:
    """The cells of these sizes and step counts, in this order."""
    places = values.rows.reset_index().set_index(["size", "steps"])["index"]
    rows = places.loc[keys].to_numpy()
    return Values(values.rows.loc[rows].reset_index(drop=True), values.draws[rows])


def _gains(evidence: Evidence, against: str = PRETRAIN) -> Values:
    """Log ratios of another stage's metric to that of high noise first, by size and step count.

    They are those of sizes with a curriculum, at the step counts of both stages. Raises NotRun if a
    size shares none.
    """
    sampler = evidence.spec.fixed.sampler
    own = evidence.best(sampler, _EASY)
    others = evidence.best(sampler, against, beside=_EASY)
    known = set(zip(others.rows["size"], others.rows["steps"], strict=True))
    keys = [key for key in zip(own.rows["size"], own.rows["steps"], strict=True) if key in known]
    if alone := set(own.rows["size"]) - {size for size, _ in keys}:
        raise NotRun(f"{min(alone)} with and without a curriculum has no step count in common")
    own, others = (_at(values, keys) for values in (own, others))
    return Values(own.rows, log(others.draws) - log(own.draws))


def _helps(evidence: Evidence) -> Statistic:
    return _gains(evidence).draws.mean(axis=0)


def _order_matters(evidence: Evidence) -> Statistic:
    return _gains(evidence, _HARD).draws.mean(axis=0)


def _helps_small_sizes_more(evidence: Evidence) -> Statistic:
    gains = _gains(evidence)
    params = np.sort(gains.rows["params"].unique())
    if len(params) < 2:
        raise NotRun("there is one size only")
    of_size = [gains.draws[(gains.rows["params"] == own).to_numpy()].mean(axis=0) for own in params]
    return Every([-slope(np.log(params), np.stack(of_size)), of_size[0]])


CLAIMS = [
    Claim(
        "curriculum-helps",
        _TOPIC,
        _SOURCE,
        "A training that begins with high noise and adds lower noise bit by bit gives better images"
        " than one at all noise levels from the beginning, at equal images seen",
        "log ratio of the metric without a curriculum to that with it, mean over sizes and steps",
        _FIGURE,
        _helps,
        stage=_EASY,
    ),
    Claim(
        "curriculum-wants-high-noise-first",
        _TOPIC,
        _SOURCE,
        "A curriculum from high to low noise gives better images than one from low to high noise",
        "log ratio of the metric with low noise first to that with high noise first, mean over"
        " sizes and steps",
        _FIGURE,
        _order_matters,
        stage=_EASY,
    ),
    Claim(
        "curriculum-helps-small-sizes-more",
        _TOPIC,
        "this project",
        "A curriculum helps smaller sizes more",
        "fall of the gain with log parameters, and the gain of the smallest size, each of the two;"
        " the log ratio of the metric without a curriculum to that with it, mean over steps",
        _FIGURE,
        _helps_small_sizes_more,
        stage=_EASY,
    ),
]
