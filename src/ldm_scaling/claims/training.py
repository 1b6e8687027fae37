"""Claims on size and training, at the fixed setting: Table 1 and Figure 3 of the paper."""

from __future__ import annotations

import numpy as np

from ..jobs.choice import at_fixed
from ..tables.values import Values
from .evidence import ALIGNMENT, QUALITY, Evidence, NotRun, falls, grid, log, slope
from .statement import Claim, Every, Statistic

SIZE, TRAINING = "Size", "Training"
_FIGURE = "train_compute"
_STOPPED = 0.25
"""of a rise that counts as none"""
_SETTLED = 0.4
"""share of the training after which the paper's trends settle: 200,000 of 500,000 iterations"""


def by_size(evidence: Evidence, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Parameters [S], rising, and the draws [S, 1 + R] of the trained models."""
    values = _at_fixed_setting(evidence, kind)
    (params,), draws = grid(values.where(values.rows["trained"] == 1), ["params"])
    return params, draws


def by_training(evidence: Evidence, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the training [T], rising, and the draws [S, T, 1 + R] of each size."""
    (_, trained), draws = grid(_at_fixed_setting(evidence, kind), ["params", "trained"])
    return trained, draws


def _at_fixed_setting(evidence: Evidence, kind: str) -> Values:
    setting = evidence.spec.fixed
    values = evidence.measured(kind, setting.sampler)
    return values.where(at_fixed(values.rows, setting.steps, setting.guidance))


def _quality_improves_with_size(evidence: Evidence) -> Statistic:
    params, quality = by_size(evidence, QUALITY)
    return -slope(np.log(params), log(quality))


def _quality_improves_at_every_size(evidence: Evidence) -> Statistic:
    _, quality = by_size(evidence, QUALITY)
    return Every(-np.diff(log(quality), axis=0))


def _alignment_improves_with_size(evidence: Evidence) -> Statistic:
    params, alignment = by_size(evidence, ALIGNMENT)
    return slope(np.log10(params), alignment)


def _alignment_saturates(evidence: Evidence) -> Statistic:
    params, alignment = by_size(evidence, ALIGNMENT)
    count = len(params)
    if count < 4:
        raise NotRun("there are fewer than four sizes")
    x, half = np.log10(params), (count + 1) // 2
    small, large = (
        slope(x[own], alignment[own]) for own in (slice(0, half), slice(half - 1, None))
    )
    return Every([_STOPPED * small - large, small])


def _alignment_gains_less(evidence: Evidence) -> Statistic:
    gains, gaps = [], []
    for kind, sign in ((QUALITY, -1), (ALIGNMENT, 1)):
        _, draws = by_size(evidence, kind)
        gains.append(sign * (draws[-1] - draws[0]))
        gaps.append(sign * (evidence.of_real_images(kind, draws.shape[1]) - draws[0]))
    more = gains[0] * gaps[1] - gains[1] * gaps[0]  # no division by a small gap
    return Every([gains[0], more, *gaps])


def _quality_improves_with_training(evidence: Evidence) -> Statistic:
    trained, quality = by_training(evidence, QUALITY)
    return Every(-slope(np.log(trained), log(quality).swapaxes(0, 1)))


def _alignment_improves_with_training(evidence: Evidence) -> Statistic:
    trained, alignment = by_training(evidence, ALIGNMENT)
    return Every(slope(np.log10(trained), alignment.swapaxes(0, 1)))


def _gains(trained: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """What each doubling of the training gains between checkpoints: [S, T - 1, 1 + R]."""
    return -np.diff(quality, axis=1) / np.diff(np.log2(trained))[:, None]


def _training_returns_diminish(evidence: Evidence) -> Statistic:
    trained, quality = by_training(evidence, QUALITY)
    if len(trained) < 3:
        raise NotRun("there are fewer than two checkpoints before the end")
    gains = _gains(trained, quality)
    parts = np.concatenate([gains, gains[:, :-1] - gains[:, 1:]], axis=1)
    return Every(parts.reshape(-1, quality.shape[-1]))


def _trends_settle(evidence: Evidence) -> Statistic:
    trained, quality = by_training(evidence, QUALITY)
    if trained[0] >= _SETTLED or len(trained) < 3:
        raise NotRun("fewer than two checkpoints before the end, or none before 40 %")
    quality, doublings = log(quality).mean(axis=0), np.log2(trained)
    after = int(np.searchsorted(trained, _SETTLED))  # the settled value lies between two
    share = (np.log2(_SETTLED) - doublings[after - 1]) / (doublings[after] - doublings[after - 1])
    settled = (1 - share) * quality[after - 1] + share * quality[after]
    before, after = _gains(
        np.array([trained[0], _SETTLED, trained[-1]]),
        np.stack([quality[0], settled, quality[-1]])[None],
    )[0]
    return Every(np.stack([before / 2 - after, before / 2 + after]))  # |after| < before / 2


def _compute_matters_more_than_size(evidence: Evidence) -> Statistic:
    _, quality = by_training(evidence, QUALITY)
    rows = _at_fixed_setting(evidence, QUALITY).rows  # in the order of the draws
    size, compute = falls(rows, log(quality.reshape(len(rows), -1)))
    return Every([compute - size, compute + size])  # to do worse for its size is to depend on it


def _training_trends_are_alike(evidence: Evidence) -> Statistic:
    trained, quality = by_training(evidence, QUALITY)
    slopes = -slope(np.log(trained), log(quality).swapaxes(0, 1))
    mean = slopes.mean(axis=0)
    return Every(np.concatenate([slopes - mean / 2, 1.5 * mean - slopes]))


CLAIMS = [
    Claim(
        "quality-improves-with-size",
        SIZE,
        "Table 1",
        "At the fixed setting larger models give better images",
        "exponent of a power law: how fast the metric falls with parameters",
        _FIGURE,
        _quality_improves_with_size,
    ),
    Claim(
        "quality-improves-at-every-size",
        SIZE,
        "Table 1",
        "At the fixed setting every size is better than the next smaller one",
        "log ratio of the metrics of neighbouring sizes, every pair",
        _FIGURE,
        _quality_improves_at_every_size,
    ),
    Claim(
        "alignment-improves-with-size",
        SIZE,
        "Table 1",
        "At the fixed setting larger models follow the text better",
        "rise of the alignment for ten times the parameters",
        _FIGURE,
        _alignment_improves_with_size,
    ),
    Claim(
        "alignment-saturates-with-size",
        SIZE,
        "Table 1",
        "Among the larger half of the sizes alignment rises at less than a quarter of the rate"
        " among the smaller half",
        "rise of the alignment with log parameters: a quarter of that in the smaller half less that"
        " in the larger half, and that in the smaller half, each of the two",
        _FIGURE,
        _alignment_saturates,
    ),
    Claim(
        "alignment-gains-less-than-quality-with-size",
        SIZE,
        "Table 1",
        "From the smallest to the largest size the alignment closes a smaller share of its gap to"
        " real images than the quality does",
        "gain of the quality; that times the gap of the alignment, less the reverse; and both gaps"
        " of the smallest size, each of the four",
        _FIGURE,
        _alignment_gains_less,
    ),
    Claim(
        "quality-improves-with-training",
        TRAINING,
        "Figure 3",
        "Images get better with training compute, at every size",
        "exponent of a power law: how fast the metric falls with training, every size",
        _FIGURE,
        _quality_improves_with_training,
        along_training=True,
    ),
    Claim(
        "alignment-improves-with-training",
        TRAINING,
        "Figure 3",
        "Alignment rises with training compute, at every size",
        "rise of the alignment for ten times the training, every size",
        _FIGURE,
        _alignment_improves_with_training,
        along_training=True,
    ),
    Claim(
        "training-returns-diminish",
        TRAINING,
        "text on Figure 3",
        "Each doubling of the training lowers the metric, and by fewer points than the one before,"
        " at every size",
        "fall of the metric by a doubling, and what it is less than that of the one before, every"
        " doubling and size",
        _FIGURE,
        _training_returns_diminish,
        along_training=True,
    ),
    Claim(
        "training-trends-settle",
        TRAINING,
        "text on Figure 3",
        "On average over sizes, doublings after 40 % of the training (200,000 iterations) change"
        " the quality by less than half of what those before gained",
        "relative fall of the metric by a doubling, mean over sizes: half of that before 40 % less"
        " that after, and plus that after, each of the two",
        _FIGURE,
        _trends_settle,
        along_training=True,
    ),
    Claim(
        "training-compute-matters-more-than-size",
        TRAINING,
        "Figure 3; summary article",
        "Ten times the training compute at one size changes the quality more than ten times the"
        " size at one compute",
        "fall of the log metric with log training compute, less and plus that with log parameters,"
        " each of the two; one regression over sizes and checkpoints",
        _FIGURE,
        _compute_matters_more_than_size,
        along_training=True,
    ),
    Claim(
        "training-trends-are-alike",
        TRAINING,
        "Figure 3",
        "At every size quality improves with training compute by between half and one and a half"
        " times as much as on average",
        "distance of each size's exponent from half and from one and a half times the mean, every"
        " size",
        _FIGURE,
        _training_trends_are_alike,
        along_training=True,
    ),
]
