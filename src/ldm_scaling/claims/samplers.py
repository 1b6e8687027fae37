"""Claims on other samplers than DDIM: Figure 11 of the paper."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from ..kinds.samplers import SAMPLERS
from ..tables.curves import common
from .evidence import Evidence, NotRun, log
from .sampling import DDIM, budget_claims, size_curves
from .statement import Claim, Every, Statistic, opposed

TOPIC = "Samplers"
DDPM, DPMPP = "ddpm", "dpmpp"
_FIGURE = "samplers_vs_cost"
_TIE = 1.02
"""a factor between two sizes that counts as none"""
_FEW_STEPS = 20
"""the paper draws DPM-Solver++ up to so many steps"""


def _side_by_side(
    evidence: Evidence, sampler: str, most_steps: float
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows that DDIM and a sampler share, and log ratios [K, 1 + R] of DDIM's metric to its.

    Step counts at which the two are one algorithm are left out.
    """
    ours, theirs = evidence.best(sampler), evidence.best(DDIM)
    keys = [list(zip(v.rows["size"], v.rows["steps"], strict=True)) for v in (ours, theirs)]
    fewest = SAMPLERS[sampler].as_ddim
    shared = [key for key in keys[0] if key in keys[1] and fewest < key[1] <= most_steps]
    if not shared:
        raise NotRun(f"{sampler} and {DDIM} have no such step count in common")
    places = [[own.index(key) for key in shared] for own in keys]
    gains = log(theirs.draws[places[1]]) - log(ours.draws[places[0]])
    return ours.rows.iloc[places[0]], gains


def _ddpm_is_worse_at_fewest_steps(evidence: Evidence) -> Statistic:
    rows, gains = _side_by_side(evidence, DDPM, np.inf)
    return Every(-gains[(rows["steps"] == rows["steps"].min()).to_numpy()])


def _dpmpp_is_better(evidence: Evidence) -> Statistic:
    return _side_by_side(evidence, DPMPP, _FEW_STEPS)[1].mean(axis=0)


def _sizes_compare_alike(evidence: Evidence, sampler: str) -> Statistic:
    curves = [
        {curve.size: curve for curve in size_curves(evidence, name)} for name in (DDIM, sampler)
    ]
    found = []  # log ratios of two sizes at a cost, DDIM's and the sampler's
    for names in combinations([size for size in curves[0] if size in curves[1]], 2):
        pairs = [[own[size] for size in names] for own in curves]
        for cost in common(*pairs[0], *pairs[1]) or ():
            ours, theirs = (
                log(larger.at(cost)) - log(smaller.at(cost)) for smaller, larger in pairs
            )
            found.append((ours, theirs))
    if not found:
        raise NotRun("no two sizes were sampled at a common range of costs")
    ours, theirs = np.array(found).swapaxes(0, 1)
    return opposed(ours, theirs, np.log(_TIE))


CLAIMS = [
    Claim(
        "ddpm-is-worse-at-fewest-steps",
        TOPIC,
        "Figure 11",
        "With the fewest steps, above 1, DDPM is worse than DDIM",
        "log ratio of DDPM's metric to DDIM's at the fewest steps above 1, every size",
        _FIGURE,
        _ddpm_is_worse_at_fewest_steps,
        DDIM,
    ),
    Claim(
        "dpmpp-is-better-up-to-20-steps",
        TOPIC,
        "Figure 11",
        "On average over sizes and 3 to 20 steps DPM-Solver++ is better than DDIM",
        "log ratio of DDIM's metric to DPM-Solver++'s, mean over sizes and step counts; with fewer"
        " steps the two are one algorithm",
        _FIGURE,
        _dpmpp_is_better,
        DDIM,
    ),
    *budget_claims(TOPIC, "Figure 11", _FIGURE, DDPM, SAMPLERS[DDPM].label),
    *budget_claims(TOPIC, "Figure 11", _FIGURE, DPMPP, SAMPLERS[DPMPP].label),
    *[
        Claim(
            f"sizes-compare-alike-with-{sampler}",
            TOPIC,
            "Figure 11; summary article",
            f"At equal cost {name} ranks the sizes as DDIM does: some pair is ordered, and none in"
            " opposite ways, by more than 2 %",
            "2 % less by how much a pair is in opposite order under both, at the lowest and the"
            " highest common cost, every pair; and one pair is ordered by both",
            _FIGURE,
            partial(_sizes_compare_alike, sampler=sampler),
            DDIM,
        )
        for sampler, name in ((name, SAMPLERS[name].label) for name in (DDPM, DPMPP))
    ],
]
