"""Claims on super-resolution: Figures 4, 12 and 17 of the paper.

Models that were finetuned from every size, at the steps of the section's fixed_steps and along the
finetuning; against sampling cost at every step count.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np

from ..kinds.stages import SUPERRES
from ..study.superres import INCEPTION_SCORE, REGIME_STEPS
from ..tables.curves import Curve, common, curve_of, sizes_of
from ..tables.values import Values
from .evidence import PERCEPTUAL, QUALITY, Evidence, NotRun, falls, grid, log
from .sampling import PLACES
from .statement import Claim, Every, Statistic, debiased

SUPER_RESOLUTION = "Super-resolution"
_COMPUTE, _COST = "sr_compute", "sr_vs_cost"
_HARDLY = 0.25
"""of what size does, as an exponent"""
_EXPLAINED = 0.5
"""share of the variance of the log metric that a score explains which behaves as it does"""


def _along(evidence: Evidence, kind: str) -> tuple[Values, np.ndarray]:
    """Every size at every checkpoint, and its draws [S, T, 1 + R], smallest and earliest first."""
    values = evidence.measured(kind, evidence.spec.fixed.sampler, SUPERRES)
    assert evidence.spec.superres  # it was measured
    chosen = values.where(values.rows["steps"] == evidence.spec.superres.fixed_steps)
    _, draws = grid(chosen, ["params", "trained"])
    return chosen, draws


def _falls(evidence: Evidence, kind: str) -> np.ndarray:
    values, draws = _along(evidence, kind)
    rows = values.rows  # in the order of the draws
    return falls(rows, log(draws.reshape(len(rows), -1)))


def _quality_follows_size(evidence: Evidence) -> Statistic:
    size, compute = _falls(evidence, QUALITY)
    return Every([size * _HARDLY - compute, size * _HARDLY + compute])


def _distance_follows_compute(evidence: Evidence) -> Statistic:
    size, compute = _falls(evidence, PERCEPTUAL)
    return Every([compute - size, compute + size])  # to do worse for its size is to depend on it


def _large_and_brief(evidence: Evidence) -> Statistic:
    _, quality = _along(evidence, QUALITY)
    return log(quality[0, -1]) - log(quality[-1, 0])


def _score_behaves_alike(evidence: Evidence) -> Statistic:
    _, scores = _along(evidence, INCEPTION_SCORE)
    _, quality = _along(evidence, QUALITY)
    count = scores.shape[-1]
    x, y = scores.reshape(-1, count), -log(quality.reshape(-1, count))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    correlation = (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return debiased(correlation) - np.sqrt(_EXPLAINED)  # noise lowers it, in the draws twice


def _regime(evidence: Evidence, few: bool) -> list[tuple[Curve, Curve, np.ndarray]]:
    """Each smaller and larger size up to 20 steps, or beyond, and costs along their range."""
    best = evidence.best(evidence.spec.fixed.sampler, SUPERRES)
    chosen = best.where((best.rows["steps"] <= REGIME_STEPS) == few)
    curves = [curve_of(chosen, size, "sampling_cost") for size in sizes_of(chosen)]
    pairs = combinations([curve for curve in curves if len(curve.costs) > 1], 2)
    found = [(*pair, np.geomspace(*shared, PLACES)) for pair in pairs if (shared := common(*pair))]
    if not found:
        side = "up to" if few else "beyond"
        raise NotRun(f"no two sizes share a range of costs {side} {REGIME_STEPS} steps")
    return found


def _ratios(smaller: Curve, larger: Curve, places: np.ndarray) -> np.ndarray:
    return np.stack([log(larger.at(place)) - log(smaller.at(place)) for place in places])


def _is_ahead(evidence: Evidence, few: bool) -> Statistic:
    """Few steps: by how much the smaller is ahead; else by how much the larger is."""
    leads = [_ratios(*pair).mean(axis=0) for pair in _regime(evidence, few)]
    lead = np.mean(leads, axis=0)
    return lead if few else -lead


def _gaps_shrink(evidence: Evidence) -> Statistic:
    up_to, beyond = (
        np.mean([(_ratios(*pair) ** 2).mean(axis=0) for pair in _regime(evidence, few)], axis=0)
        for few in (True, False)
    )
    return debiased(up_to - beyond)


_claim = partial(Claim, topic=SUPER_RESOLUTION, stage=SUPERRES)

CLAIMS = [
    _claim(
        id="superres-quality-follows-size",
        source="Figure 4",
        sentence="The FID of super-resolution is decided by size, hardly by the compute of"
        " finetuning",
        statistic="a quarter of the fall of the log metric with log parameters, less and plus that"
        " with log finetuning compute, each of the two; one regression over sizes and checkpoints",
        figure=_COMPUTE,
        of=_quality_follows_size,
        along_training=True,
    ),
    _claim(
        id="superres-large-and-brief-beats-small-and-long",
        source="Figure 4",
        sentence="A large model after brief finetuning beats a small one after long finetuning",
        statistic="log ratio of the smallest size's last metric to the largest's first",
        figure=_COMPUTE,
        of=_large_and_brief,
        along_training=True,
    ),
    _claim(
        id="superres-lpips-follows-compute",
        source="Figure 4",
        sentence="LPIPS changes more with training compute than with size",
        statistic="fall of the log perceptual distance with log finetuning compute, less and plus"
        " that with log parameters, each of the two; one regression over sizes and checkpoints",
        figure=_COMPUTE,
        of=_distance_follows_compute,
        along_training=True,
    ),
    _claim(
        id="superres-inception-score-behaves-as-fid",
        source="Figure 17",
        sentence="The Inception score of super-resolution explains more than half of the variance"
        " of its log FID",
        statistic="correlation of the Inception score with the negative log metric over sizes and"
        " checkpoints, less that at which it explains half of the variance",
        figure=_COMPUTE,
        of=_score_behaves_alike,
        along_training=True,
    ),
    _claim(
        id="superres-small-is-efficient-to-20-steps",
        source="Figure 12; summary article",
        sentence="Up to 20 steps smaller models give better super-resolution at equal sampling"
        " cost, on average over costs and pairs of sizes",
        statistic="log ratio of the larger's metric to the smaller's, mean along the common range"
        " of log costs and over pairs; curves up to 20 steps",
        figure=_COST,
        of=partial(_is_ahead, few=True),
    ),
    _claim(
        id="superres-large-is-efficient-beyond-20-steps",
        source="Figure 12; summary article",
        sentence="Beyond 20 steps larger models give better super-resolution at equal sampling"
        " cost, on average over costs and pairs of sizes",
        statistic="log ratio of the smaller's metric to the larger's, mean along the common range"
        " of log costs and over pairs; curves beyond 20 steps",
        figure=_COST,
        of=partial(_is_ahead, few=False),
    ),
    _claim(
        id="superres-gaps-are-smaller-beyond-20-steps",
        source="Figure 12",
        sentence="At equal sampling cost sizes differ by a smaller factor beyond 20 steps than up"
        " to 20",
        statistic="mean squared log ratio of pairs up to 20 steps less that beyond, without what"
        " noise adds",
        figure=_COST,
        of=_gaps_shrink,
    ),
]
