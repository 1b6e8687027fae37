"""What a claim is, and how a statistic of the cells decides it.

The statistic is positive where the claim holds. An interval entirely above 0 decides for it, one
entirely below 0 against it; anything else is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from ..kinds.stages import DREAMBOOTH, PRETRAIN, is_superres
from ..tables.values import interval, student_over_normal
from ..workflow.specs.claims import ClaimsSpec
from .evidence import Evidence, NotRun

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
GIVEN, HERE = " given a training deviation", " for this training"
"""of verdicts that rest on one training: intervals contain what another would give as far as the
study says how much trainings differ, or not at all"""
DECIDED = [word + of for of in ("", GIVEN, HERE) for word in (HOLDS, FAILS)]
VERDICTS = [*DECIDED, UNDECIDED, NOT_RUN]
FIXED = "fixed"
"""the sampler of the fixed setting"""
COSINE = "cosine"
"""a learning rate that ends at 0, so that checkpoints before the end are worse than models would be
that had been trained for that long"""


_NO_CHECKPOINTS = (
    "the learning rate decays along a cosine, so a checkpoint is not a model that was trained for"
    " so long; train with decay: constant"
)


def is_of_one_training(verdict: str) -> bool:
    """Whether a verdict rests on one training."""
    return verdict.endswith((GIVEN, HERE))


@dataclass(frozen=True)
class Every:
    """A statistic that holds where each of its parts is positive: the weakest decides."""

    parts: np.ndarray | Sequence[Statistic]
    """draws [parts, 1 + R], or statistics"""


@dataclass(frozen=True)
class Some:
    """A statistic that holds where one of its parts is positive: the strongest decides."""

    parts: np.ndarray | Sequence[Statistic]
    """draws [parts, 1 + R], or statistics"""


Statistic = float | np.ndarray | Every | Some
"""draws [1 + R], the value first, several of them, or a number that no resample changes"""


@dataclass(frozen=True)
class Claim:
    """A sentence that cells can decide."""

    id: str
    """kebab-case"""
    topic: str
    source: str
    """where it is said: a table or figure of the paper, or who else says it"""
    sentence: str
    """in our words"""
    statistic: str
    """in words; positive where the claim holds"""
    figure: str
    """that shows it"""
    of: Callable[[Evidence], Statistic]
    """raises NotRun where the study lacks what it needs"""
    sampler: str | None = None
    """whose cells it takes, or FIXED, where the figure shows the first sampler of the study"""
    along_training: bool = False
    """whether it takes kept checkpoints, which the decay of the learning rate shapes too"""
    stage: str = PRETRAIN
    """whose cells it takes, and perhaps those of students"""


@dataclass(frozen=True)
class Finding:
    """What the cells of a study say of a claim."""

    claim: Claim
    verdict: str
    estimate: float = float("nan")
    lo: float = float("nan")
    hi: float = float("nan")
    p: float | None = None
    """of the statistic against 0; None if no resample changes it"""
    n: int | None = None
    """images a cell; None if it is not about images"""
    reason: str = ""
    """why it was not run"""
    note: str = ""
    """what to mind in this study"""


def find(claim: Claim, evidence: Evidence) -> Finding:
    """Decide a claim."""
    if claim.along_training and _decay(claim, evidence.spec) == COSINE:
        return Finding(claim, NOT_RUN, reason=_NO_CHECKPOINTS)
    asking = evidence.afresh()
    try:
        statistic = claim.of(asking)
    except NotRun as reason:
        return Finding(claim, NOT_RUN, reason=str(reason))
    if not _is_finite(statistic):  # without some of the draws an interval would be too short
        return Finding(claim, NOT_RUN, reason="a cell that it needs failed or has no value above 0")
    confidence, exact = evidence.spec.confidence, isinstance(statistic, float)
    degrees = _degrees(claim, asking)
    estimate, lo, hi = estimated(statistic, confidence, degrees)
    error = 0 if exact else monte_carlo_error(lo, hi, _resamples(statistic), confidence)
    verdict = HOLDS if lo > error else FAILS if hi < -error else UNDECIDED
    once = not asking.asked or any(own.seeds == 1 for own in asking.asked)
    if verdict != UNDECIDED and not exact and once:
        verdict += GIVEN if _contains_given(claim, asking, evidence, (lo, hi)) else HERE
    n = None if exact else evidence.n_of(claim.stage)
    p = None if exact else p_value(estimate, lo, hi, confidence)
    return Finding(claim, verdict, estimate, lo, hi, p, n, note=_note(claim, evidence.spec))


def _degrees(claim: Claim, evidence: Evidence) -> int:
    """The degrees of freedom by which Student's quantiles go; 0 where no spread is estimated."""
    of_seeds = [(own.seeds - 1) * own.sizes for own in evidence.asked]
    of_subjects = (evidence.spec.subjects or 1) - 1 if claim.stage == DREAMBOOTH else 0
    return min((own for own in (*of_seeds, of_subjects) if own), default=0)


def _contains_given(
    claim: Claim, asking: Evidence, evidence: Evidence, bounds: tuple[float, float]
) -> bool:
    """Whether bounds contain the chance of a training, by the deviation that the study gives.

    It moves all cells of a model by one factor. Where that cancels, as between two samplers of one
    model, the bounds are the same without it.
    """
    if not all(own.given for own in asking.asked):
        return False
    without = claim.of(evidence.without_deviation)
    same = estimated(without, evidence.spec.confidence, _degrees(claim, asking))[1:]
    return not np.allclose(bounds, same, rtol=0, atol=1e-6 * (bounds[1] - bounds[0]))


def _note(claim: Claim, spec: ClaimsSpec) -> str:
    notes = []
    sampler = spec.fixed.sampler if claim.sampler == FIXED else claim.sampler
    if sampler not in (None, spec.figure_sampler):
        notes.append(f"of {sampler}; the figure shows {spec.figure_sampler}")
    return "; ".join(notes)


def _decay(claim: Claim, spec: ClaimsSpec) -> str:
    return spec.superres.decay if is_superres(claim.stage) and spec.superres else spec.decay


def _is_finite(statistic: Statistic) -> bool:
    if isinstance(statistic, Every | Some):
        return all(_is_finite(part) for part in statistic.parts)
    return bool(np.isfinite(statistic).all())


def _resamples(statistic: Statistic) -> int:
    if isinstance(statistic, Every | Some):
        return _resamples(statistic.parts[0])
    return np.size(statistic) - 1


def monte_carlo_error(lo: float, hi: float, resamples: int, confidence: float) -> float:
    """What a bound may be off by since there are only so many resamples: two standard errors.

    Of a quantile (Serfling 1980, section 2.3.3), of a normal distribution as wide as the interval.
    """
    tail = (1 - confidence) / 2
    z = ndtri(1 - tail)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return 2 * (hi - lo) / (2 * z) * np.sqrt(tail * (1 - tail) / resamples) / density


def p_value(value: float, lo: float, hi: float, confidence: float) -> float:
    """The two-sided p-value of 0, of a normal distribution with the interval's bound next to 0."""
    half = value - lo if value > 0 else hi - value
    z = abs(value) / half * ndtri((1 + confidence) / 2) if half else np.inf
    return float(2 * ndtr(-z))


def estimated(
    statistic: Statistic, confidence: float, degrees: int = 0
) -> tuple[float, float, float]:
    """A statistic's value, lo and hi.

    The smallest of several noisy parts lies below the smallest of what they estimate, so its draws
    would decide against too easily. All parts are above the smallest lo of theirs; that one of
    them is below a bound takes one whose own interval, at a confidence that allows for as many
    tries as there are parts (Bonferroni), is below it. So far out resamples are too few to count:
    the interval is widened as a normal one would be, or Student's of so many degrees of freedom,
    if there are any. The largest is the mirror image.
    """
    if isinstance(statistic, float | int):
        return statistic, statistic, statistic
    if isinstance(statistic, np.ndarray):
        return interval(statistic, confidence)
    parts = [estimated(part, confidence, degrees) for part in statistic.parts]
    values, los, his = np.transpose(parts)
    wider = _wider(len(parts), confidence, degrees)
    if isinstance(statistic, Some):
        lo = values - wider * (values - los)
        return float(values.max()), float(lo.max()), float(his.max())
    hi = values + wider * (his - values)
    return float(values.min()), float(los.min()), float(hi.min())


def _wider(parts: int, confidence: float, degrees: int) -> float:
    tail = (1 - confidence) / 2
    return _quantile(tail / parts, degrees) / _quantile(tail, degrees)


def _quantile(tail: float, degrees: int) -> float:
    return float(ndtri(1 - tail)) * student_over_normal(tail, degrees)


def opposed(ours: np.ndarray, theirs: np.ndarray, margin: float) -> Every:
    """A statistic that is positive where no difference is opposite in two rankings.

    Draws [K, 1 + R] of the same differences of two sizes in both; those within the margin are ties.
    It takes one difference that is none, or there is no ranking.
    """
    same = [
        Some([margin - one, margin + other])
        for a, b in zip(ours, theirs, strict=True)
        for one, other in ((a, b), (-a, -b))
    ]
    return Every([*same, Some([sign * one - margin for one in ours for sign in (1, -1)])])


def debiased(draws: np.ndarray) -> np.ndarray:
    """Draws [1 + R] of a statistic that noise pushes one way, such as a variance.

    Draws carry the noise twice, the value once; their mean distance is what noise does (Efron and
    Tibshirani 1993, "An Introduction to the Bootstrap", chapter 10).
    """
    bias = draws[1:].mean() - draws[0]
    return np.concatenate([draws[:1] - bias, draws[1:] - 2 * bias])


def less_optimism(draws: np.ndarray, optimism: float) -> np.ndarray:
    """Draws [1 + R] of a gain by choosing, without what the choice only seems to gain.

    For a gain over something that was not chosen; between two chosen values it mostly cancels.
    `debiased` takes off less: to a replicate scales look further apart than they are, since the
    noise of the values stands between them.
    """
    around = draws - draws[1:].mean()
    return np.concatenate([draws[:1], draws[0] + around[1:]]) - optimism
