"""What a claim is, and how a statistic of the cells decides it.

The statistic is positive where the claim holds. An interval entirely above 0 decides for it, one
entirely below 0 against it; anything else is undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..kinds.stages import DREAMBOOTH, PRETRAIN, is_superres
from ..tables.bounds import Bounds, bounds
from ..workflow.specs.claims import ClaimsSpec
from .evidence import Evidence, NotRun

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
GIVEN, HERE = " given a training deviation", " for this training"
"""of verdicts that rest on one training: intervals contain what another would give as far as the
study says how much trainings differ, or not at all"""
THESE = " for these models"
"""of verdicts on adopted models, which are what is asked about"""
DECIDED = [word + of for of in ("", GIVEN, HERE, THESE) for word in (HOLDS, FAILS)]
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
_OTHER_CURRICULUM = (
    "clusters of noise levels enter at shares of the whole training, so a checkpoint is not a model"
    " that was trained for so long; set training.curriculum to null"
)


def is_of_one_training(verdict: str) -> bool:
    """Whether a verdict rests on one training."""
    return verdict.endswith((GIVEN, HERE, THESE))


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
    cells: str = ""
    """stage and sampler of the cells that it takes, such as pretrain/ddim"""


def find(claim: Claim, evidence: Evidence) -> Finding:
    """Decide a claim."""
    if claim.along_training and (reason := _why_checkpoints_mislead(claim, evidence.spec)):
        return Finding(claim, NOT_RUN, reason=reason)
    asking = evidence.afresh()
    try:
        statistic = claim.of(asking)
    except NotRun as reason:
        return Finding(claim, NOT_RUN, reason=str(reason))
    if not _is_finite(statistic):  # without some of the draws an interval would be too short
        return Finding(claim, NOT_RUN, reason="a cell that it needs failed or has no value above 0")
    confidence, exact = evidence.spec.confidence, isinstance(statistic, float)
    found = estimated(statistic, confidence, _degrees(claim, asking))
    estimate, lo, hi = found[:3]
    verdict = UNDECIDED
    if found.surely_above > 0 or found.surely_below < 0:
        verdict = HOLDS if found.surely_above > 0 else FAILS
    once = not asking.asked or any(own.seeds == 1 for own in asking.asked)
    if verdict != UNDECIDED and not exact and once:
        given = _contains_given(claim, asking, evidence, (lo, hi))
        verdict += THESE if evidence.spec.adopted else GIVEN if given else HERE
    n = None if exact else evidence.n_of(claim.stage)
    p = None if exact else found.p
    note, cells = _note(claim, evidence.spec), " ".join(map("/".join, sorted(asking.taken)))
    return Finding(claim, verdict, estimate, lo, hi, p, n, note=note, cells=cells)


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
    same = estimated(without, evidence.spec.confidence, _degrees(claim, asking))[1:3]
    return not np.allclose(bounds, same, rtol=0, atol=1e-6 * (bounds[1] - bounds[0]))


def _note(claim: Claim, spec: ClaimsSpec) -> str:
    notes = []
    sampler = spec.fixed.sampler if claim.sampler == FIXED else claim.sampler
    if sampler not in (None, spec.figure_sampler):
        notes.append(f"of {sampler}; the figure shows {spec.figure_sampler}")
    return "; ".join(notes)


def _why_checkpoints_mislead(claim: Claim, spec: ClaimsSpec) -> str:
    """Why a checkpoint is not a model that was trained for so long; empty if it is."""
    superres = spec.superres if is_superres(claim.stage) else None
    if (superres or spec).decay == COSINE:
        return _NO_CHECKPOINTS
    return _OTHER_CURRICULUM if spec.curriculum and not superres else ""


def _is_finite(statistic: Statistic) -> bool:
    if isinstance(statistic, Every | Some):
        return all(_is_finite(part) for part in statistic.parts)
    return bool(np.isfinite(statistic).all())


def estimated(
    statistic: Statistic,
    confidence: float,
    degrees: int = 0,
    tries: tuple[int, int] = (1, 1),
) -> Bounds:
    """A statistic's value, interval, and p-values, which are Student's of so many degrees.

    The smallest of several noisy parts lies below the smallest of what they estimate, so its draws
    would decide against too easily. All parts are above the smallest lo of theirs; that one of
    them is below a bound takes one whose own interval, at a confidence that allows for as many
    tries as there are parts (Bonferroni), is below it. The largest is the mirror image. `tries` are
    those of lo and of hi of what the statistic is a part of; where parts have parts, each part's
    own interval is widened for all of them, and then the smallest or largest is taken.
    """
    if isinstance(statistic, Every | Some):
        above, below = tries
        every = isinstance(statistic, Every)
        count = len(statistic.parts)
        inner = (above, below * count) if every else (above * count, below)
        parts = [estimated(part, confidence, degrees, inner) for part in statistic.parts]
        deciding, other = (min, max) if every else (max, min)
        value, lo, hi, surely_above, surely_below, p_above, p_below = zip(*parts, strict=True)
        return Bounds(
            deciding(value),
            deciding(lo),
            deciding(hi),
            deciding(surely_above),
            deciding(surely_below),
            other(p_above),
            deciding(p_below),
        )
    return bounds(np.atleast_1d(statistic), confidence, degrees, tries)


def opposed(ours: np.ndarray, theirs: np.ndarray, margin: float) -> Every:
    """A statistic that is positive where no difference is opposite in two rankings.

    Draws [K, 1 + R] of the same differences of two sizes in both; those within the margin are ties.
    It takes one difference that is none, and the same, in both, or there is nothing to compare.
    """
    pairs = [(sign * a, sign * b) for a, b in zip(ours, theirs, strict=True) for sign in (1, -1)]
    same = [Some([margin - a, margin + b]) for a, b in pairs]
    ranked = [Every([a - margin, b - margin]) for a, b in pairs]
    return Every([*same, Some(ranked)])


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
