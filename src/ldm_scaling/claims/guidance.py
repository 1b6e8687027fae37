"""Claims on guidance: Figures 7 and 8 of the paper."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..jobs.choice import NONE, chosen_scales
from .evidence import ALIGNMENT, QUALITY, Evidence, NotRun, grid, slope
from .statement import FIXED, Claim, Statistic, debiased
from .training import by_size

GUIDANCE = "Guidance"
_FIGURE = "guidance_interaction"


def _cube(evidence: Evidence, kind: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Params, steps and scales of the grid, and the draws [sizes, steps, scales, 1 + R]."""
    values = evidence.measured(kind, evidence.whole_grid(evidence.spec.fixed.sampler))
    return grid(values.where(values.rows["grid"]), ["params", "steps", "guidance"])


def _guidance_moves_quality_more(evidence: Evidence) -> Statistic:
    spreads = []
    for kind in (QUALITY, ALIGNMENT):
        _, draws = _cube(evidence, kind)
        relative = draws / np.abs(draws.mean(axis=2, keepdims=True))
        spreads.append(debiased(relative.var(axis=2, ddof=1).mean(axis=(0, 1))))
    return spreads[0] - spreads[1]


def _log_best(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Params [S], steps [K] and the log2 of each draw's best scale [S, K, 1 + R]."""
    (params, steps, scales), draws = _cube(evidence, QUALITY)
    chosen = chosen_scales(draws, axis=2)
    return params, steps, np.where(chosen == NONE, np.nan, np.log2(scales)[chosen])


def _few_steps_want_weaker_guidance(evidence: Evidence) -> Statistic:
    _, steps, best = _log_best(evidence)
    return slope(np.log2(steps), best.mean(axis=0))


def _large_sizes_want_weaker_guidance(evidence: Evidence) -> Statistic:
    params, _, best = _log_best(evidence)
    return -slope(np.log2(params), best.mean(axis=1))


def _retuning_beats_size(evidence: Evidence, channels: int | None = None) -> Statistic:
    setting = evidence.spec.fixed
    best = evidence.best(setting.sampler)
    best = best.where(best.rows["steps"] == setting.steps)
    _, fixed = by_size(evidence, QUALITY)
    if len(best.rows) != len(fixed):
        raise NotRun("the steps of the fixed setting are not in the grid")
    gains = fixed - best.draws
    if channels:
        gains = gains[(best.rows["size"] == evidence.size(channels)).to_numpy()]
    return debiased(gains.mean(axis=0)) - (fixed[0] - fixed[-1])


CLAIMS = [
    Claim(
        "guidance-moves-quality-more-than-alignment",
        GUIDANCE,
        "Figure 7",
        "The guidance scale changes the quality more than the alignment",
        "variance of the relative metric over scales: of quality less that of alignment, mean over"
        " sizes and steps; a cosine has no natural zero, so how much its relative change says"
        " depends on the scorer",
        "cells.csv",
        _guidance_moves_quality_more,
    ),
    Claim(
        "few-steps-want-weaker-guidance",
        GUIDANCE,
        "Figure 8; the direction: this project",
        "The best scale depends on the number of steps: it rises with it",
        "doublings of the best scale for a doubling of the steps, mean over sizes",
        _FIGURE,
        _few_steps_want_weaker_guidance,
        FIXED,
    ),
    Claim(
        "large-sizes-want-weaker-guidance",
        GUIDANCE,
        "Figure 8; the direction: this project",
        "The best scale depends on the size: it falls with it",
        "halvings of the best scale for a doubling of the parameters, mean over steps",
        _FIGURE,
        _large_sizes_want_weaker_guidance,
        FIXED,
    ),
    Claim(
        "retuning-guidance-beats-size",
        GUIDANCE,
        "arithmetic on Table 1 and the summary article",
        "Choosing the scale anew is worth more than all sizes at the fixed setting differ",
        "gain of the metric from the fixed to the best scale at the same steps, mean over sizes,"
        " less the gain from the smallest to the largest size",
        _FIGURE,
        _retuning_beats_size,
        FIXED,
    ),
    Claim(
        "retuning-guidance-of-c128-beats-size",
        GUIDANCE,
        "arithmetic on Table 1 and the summary article",
        "Choosing the 145M model's scale anew is worth more than all sizes at the fixed setting"
        " differ",
        "gain of the metric of c128 from the fixed to the best scale at the same steps, less the"
        " gain from the smallest to the largest size",
        _FIGURE,
        partial(_retuning_beats_size, channels=128),
        FIXED,
    ),
]
