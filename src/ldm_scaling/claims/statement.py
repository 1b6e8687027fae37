"""What a claim is, and how a statistic of the cells decides it.

The statistic is positive where the claim holds. An interval entirely above 0 decides for it, one
entirely below 0 against it; anything else is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ..kinds.stages import DREAMBOOTH, PRETRAIN, is_superres
from ..tables.values import interval, student_over_normal
from ..workflow.specs.claims import ClaimsSpec
from .evidence import Evidence, NotRun

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
VERDICTS = [HOLDS, FAILS, UNDECIDED, NOT_RUN]
FIXED = "fixed"
"""the sampler of the fixed setting"""
COSINE = "cosine"
"""a learning rate that ends at 0, so that checkpoints before the end are worse than models would be
that had been trained for that long"""


@dataclass(frozen=True)
class Every:
    """A statistic that holds where each of its parts is positive: the weakest decides."""

    draws: np.ndarray
    """[parts, 1 + R]"""


@dataclass(frozen=True)
class Some:
    """A statistic that holds where one of its parts is positive: the strongest decides."""

    draws: np.ndarray
    """[parts, 1 + R]"""


@dataclass(frozen=True)
class SomeEvery:
    """A statistic that holds where every part of at least one way is positive."""

    ways: Sequence[Every]

    @property
    def draws(self) -> np.ndarray:
        """Draws of all parts, [parts, 1 + R]."""
        return np.concatenate([way.draws for way in self.ways])


Statistic = float | np.ndarray | Every | Some | SomeEvery
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
    n: int | None = None
    """images a cell; None if it is not about images"""
    reason: str = ""
    """why it was not run"""
    note: str = ""
    """what to mind in this study"""


def find(claim: Claim, evidence: Evidence) -> Finding:
    """Decide a claim."""
    try:
        statistic = claim.of(evidence)
    except NotRun as reason:
        return Finding(claim, NOT_RUN, reason=str(reason))
    draws = statistic.draws if isinstance(statistic, Every | Some | SomeEvery) else statistic
    if not np.isfinite(draws).all():  # without some of the draws an interval would be too short
        return Finding(claim, NOT_RUN, reason="a cell that it needs failed or has no value above 0")
    estimate, lo, hi = estimated(statistic, evidence.spec.confidence, _few(claim, evidence))
    verdict = HOLDS if lo > 0 else FAILS if hi < 0 else UNDECIDED
    n = None if isinstance(statistic, float) else evidence.n_of(claim.stage)
    return Finding(claim, verdict, estimate, lo, hi, n, note=_note(claim, evidence.spec))


def _few(claim: Claim, evidence: Evidence) -> int:
    """The number of seeds, or of subjects, by which Student's quantiles go; 1 stands for none."""
    if claim.stage != DREAMBOOTH:
        return evidence.seeds
    counts = [count for count in (evidence.seeds, evidence.spec.subjects or 1) if count > 1]
    return min(counts, default=1)


def _note(claim: Claim, spec: ClaimsSpec) -> str:
    notes = []
    sampler = spec.fixed.sampler if claim.sampler == FIXED else claim.sampler
    if sampler not in (None, spec.figure_sampler):
        notes.append(f"of {sampler}; the figure shows {spec.figure_sampler}")
    decay = spec.superres.decay if is_superres(claim.stage) and spec.superres else spec.decay
    if claim.along_training and decay == COSINE:
        notes.append("partly the learning rate's decay")
    return "; ".join(notes)


def estimated(
    statistic: Statistic, confidence: float, seeds: int = 1
) -> tuple[float, float, float]:
    """A statistic's value, lo and hi.

    The smallest of several noisy parts lies below the smallest of what they estimate, so its draws
    would decide against too easily. All parts are above the smallest lo of theirs; that one of
    them is below a bound takes one whose own interval, at a confidence that allows for as many
    tries as there are parts (Bonferroni), is below it. So far out resamples are too few to count:
    the interval is widened as a normal one would be, or Student's of so many training seeds, or
    subjects. The
    largest is the mirror image, also of several ways with parts of their own.
    """
    if isinstance(statistic, float):
        return statistic, statistic, statistic
    if isinstance(statistic, Some):
        value, lo, hi = estimated(Every(-statistic.draws), confidence, seeds)
        return -value, -hi, -lo
    if isinstance(statistic, SomeEvery):
        ways = [estimated(way, confidence, seeds) for way in statistic.ways]
        values, los, his = np.transpose(ways)
        wider = _wider(len(ways), confidence, seeds)
        return float(values.max()), float((values - wider * (values - los)).max()), float(his.max())
    parts = statistic.draws if isinstance(statistic, Every) else np.asarray(statistic)[None]
    values, los, his = np.transpose([interval(part, confidence) for part in parts])
    wider = _wider(len(parts), confidence, seeds)
    return float(values.min()), float(los.min()), float((values + wider * (his - values)).min())


def _wider(parts: int, confidence: float, seeds: int) -> float:
    tail = (1 - confidence) / 2
    return _quantile(tail / parts, seeds) / _quantile(tail, seeds)


def _quantile(tail: float, seeds: int) -> float:
    return float(ndtri(1 - tail)) * student_over_normal(tail, seeds)


def debiased(draws: np.ndarray) -> np.ndarray:
    """Draws [1 + R] of a statistic that noise pushes one way, such as a variance or a minimum.

    Draws carry the noise twice, the value once; their mean distance is what noise does (Efron and
    Tibshirani 1993, "An Introduction to the Bootstrap", chapter 10).
    """
    bias = draws[1:].mean() - draws[0]
    return np.concatenate([draws[:1] - bias, draws[1:] - 2 * bias])
