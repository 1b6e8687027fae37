"""Claims on guidance: Figures 7 and 8 of the paper."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import numpy as np

from ..tables.values import Values
from .evidence import ALIGNMENT, QUALITY, Evidence, NotRun, grid, log, slope
from .statement import FIXED, Claim, Every, Statistic, less_optimism
from .training import by_size

GUIDANCE = "Guidance"
_FIGURE = "guidance_interaction"


def _cube(evidence: Evidence, kind: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Params, steps and scales of the grid, and the draws [sizes, steps, scales, 1 + R].

    Steps that not every size takes are left out.
    """
    values = _whole_grid(evidence, kind)
    sizes = values.rows.groupby("steps")["size"].transform("nunique")
    values = values.where(sizes == values.rows["size"].nunique())
    return grid(values, ["params", "steps", "guidance"])


def _whole_grid(evidence: Evidence, kind: str) -> Values:
    # nor is the optimism of a search known: its looks have chosen on some of the same images
    if evidence.spec.search:
        raise NotRun("an adaptive search does not sample every guidance scale")
    values = evidence.measured(kind, evidence.spec.fixed.sampler)
    values = values.where(values.rows["grid"])
    if values.rows["guidance"].nunique() < 2:
        raise NotRun("there is one guidance scale only")
    return values


def _guidance_moves_quality_more(evidence: Evidence) -> Statistic:
    fixed, of_guidance, of_size = evidence.spec.fixed, [], []
    for kind, sign in ((QUALITY, -1), (ALIGNMENT, 1)):
        own = _whole_grid(evidence, kind)
        weakest = own.rows["guidance"] == own.rows["guidance"].min()
        own = own.where(weakest & (own.rows["steps"] == fixed.steps))
        params, draws = by_size(evidence, kind)
        chosen = sign * draws
        of_guidance.append((chosen[_taking(params, own)] - sign * own.draws).mean(axis=0))
        of_size.append(chosen[-1] - chosen[0])
    quality, alignment = of_guidance
    return Every([quality, quality * of_size[1] - alignment * of_size[0], *of_size])


def _taking(params: np.ndarray, own: Values) -> np.ndarray:
    """Which sizes have cells in `own`, which are those at the fixed steps: a mask of `params`."""
    if own.rows.empty:
        raise NotRun("the steps of the fixed setting are not in the grid")
    return np.isin(params, own.rows["params"].to_numpy(float))


def _log_cost_of_strength(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Params [S], steps [K] and log ratios [S, K, 1 + R] of the strongest scale to the weakest."""
    (params, steps, _), draws = _cube(evidence, QUALITY)
    return params, steps, log(draws[:, :, -1]) - log(draws[:, :, 0])


def _few_steps_want_weaker_guidance(evidence: Evidence) -> Statistic:
    _, steps, cost = _log_cost_of_strength(evidence)
    return -slope(np.log2(steps), cost.mean(axis=0))


def _large_sizes_want_weaker_guidance(evidence: Evidence) -> Statistic:
    params, _, cost = _log_cost_of_strength(evidence)
    return slope(np.log2(params), cost.mean(axis=1))


def _retuning_beats_size(evidence: Evidence, channels: int | None = None) -> Statistic:
    _whole_grid(evidence, QUALITY)  # or there is nothing to tune
    setting = evidence.spec.fixed
    best = evidence.best(setting.sampler)
    best = best.where(best.rows["steps"] == setting.steps)
    params, fixed = by_size(evidence, QUALITY)
    own = best
    if channels:
        own = best.where(best.rows["size"] == evidence.size(channels))
    gains = fixed[_taking(params, own)] - own.draws
    optimism = own.rows["optimism"].to_numpy(float)
    gain = less_optimism(gains.mean(axis=0), optimism.mean())
    return Every([gain - (one - other) for one, other in permutations(fixed, 2)])


CLAIMS = [
    Claim(
        "guidance-moves-quality-more-than-alignment",
        GUIDANCE,
        "Figure 7",
        "Guidance, from the weakest scale to that of the fixed setting, improves the quality more"
        " than the alignment, each in units of what size improves",
        "gain of the quality by guidance; that times the gain of the alignment by size, less the"
        " reverse; and both gains by size, each of the four; at the fixed steps, mean over sizes",
        "cells.csv",
        _guidance_moves_quality_more,
    ),
    Claim(
        "few-steps-want-weaker-guidance",
        GUIDANCE,
        "Figure 8; the direction: this project",
        "The fewer the steps, the more does the strongest scale lose against the weakest",
        "fall of the log ratio of the metric at the strongest scale of the grid to that at the"
        " weakest for a doubling of the steps, mean over sizes",
        _FIGURE,
        _few_steps_want_weaker_guidance,
        FIXED,
    ),
    Claim(
        "large-sizes-want-weaker-guidance",
        GUIDANCE,
        "Figure 8; the direction: this project",
        "The larger the size, the more does the strongest scale lose against the weakest",
        "rise of the log ratio of the metric at the strongest scale of the grid to that at the"
        " weakest for a doubling of the parameters, mean over steps",
        _FIGURE,
        _large_sizes_want_weaker_guidance,
        FIXED,
    ),
    Claim(
        "retuning-guidance-beats-size",
        GUIDANCE,
        "arithmetic on Table 1 and the summary article",
        "Choosing the scale anew is worth more than any two sizes at the fixed setting differ",
        "gain of the metric from the fixed to the best scale at the same steps, mean over sizes,"
        " less its optimism and the difference of two sizes, every pair",
        _FIGURE,
        _retuning_beats_size,
        FIXED,
    ),
    Claim(
        "retuning-guidance-of-c128-beats-size",
        GUIDANCE,
        "arithmetic on Table 1 and the summary article",
        "Choosing the 145M model's scale anew is worth more than any two sizes at the fixed setting"
        " differ",
        "gain of the metric of c128 from the fixed to the best scale at the same steps, less its"
        " optimism and the difference of two sizes, every pair",
        _FIGURE,
        partial(_retuning_beats_size, channels=128),
        FIXED,
    ),
]
