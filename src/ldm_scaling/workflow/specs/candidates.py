"""The spec of the jobs that make candidates and keep some of them."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

from pydantic import Field

from ...kinds.candidates import METHODS, PARTICLES, resampled_after
from ...study.candidates import Method
from ...study.diffusion import Diffusion
from ...study.fields import Positive, Strict, StudyError, is_none
from ...study.metrics import Judge
from ...study.study import Study
from .. import needed, stages
from .cells import CellSpec
from .seen import SeenBy, seen_by_first


class VerifierSpec(SeenBy):
    """Count what a look of the verifier costs."""

    recipe: Literal[1] = 1
    verifier: str
    map_width: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """dimensions that a fitted score maps images and captions to; None: the verifier is a scorer"""
    text_width: Positive
    """of a caption's embedding"""

    @classmethod
    def of(cls, study: Study) -> VerifierSpec:
        """Spec of rule count_verifier. Raises StudyError if no score chooses anything."""
        if study.inversion is None:
            needed.candidates(study)
        metrics, fitted = study.metrics, study.metrics.clip_like
        own = seen_by_first(metrics) if fitted else {"extractors": []}
        return cls(
            **own,
            scorers=metrics.scorers[:1],
            verifier=str(metrics.alignment),
            map_width=fitted.width if fitted else None,
            text_width=study.text_shape[1],
        )


class CandidatesSpec(Strict):
    """Make candidates with one model, and keep those that the verifier likes best."""

    recipe: Literal[1] = 1
    diffusion: Diffusion
    cells: list[CellSpec] = Field(min_length=1)
    """every (steps, guidance), few steps first; of each step count the best scale is sampled"""
    select_by: str
    """name in tables of the metric that finds the scale"""
    methods: list[Method]
    counts: list[Positive]
    """candidates of nested methods, rising"""
    verifier: str
    """name of the score that keeps one: clip_like, or a scorer of the cells"""
    judge: Judge

    @property
    def n(self) -> int:
        """Images that are kept of a cell."""
        return self.cells[0].n

    @property
    def steps(self) -> list[int]:
        """The step counts, rising."""
        return list(dict.fromkeys(cell.steps for cell in self.cells))

    def counts_of(self, method: str, steps: int) -> list[int]:
        """The candidates of a method at a step count, rising; none where it has nothing to do."""
        if METHODS[method].nested:
            least = 0 if method == self.methods[0] else 1
            return [count for count in self.counts if count > least]
        return [PARTICLES] if resampled_after(steps) else []

    @classmethod
    def of(cls, study: Study, stage: str, size: str) -> CandidatesSpec:
        """Spec of rule sample_candidates."""
        section, metrics = needed.candidates(study), study.metrics
        sampler, verifier = stages.candidates_sampler(study, stage), metrics.alignment
        steps = stages.candidates_steps(study, stage, size)
        if not steps or verifier is None:
            raise StudyError(f"stage {stage} makes no candidates")
        scales = stages.grid(study, stage, size, sampler)[1]
        return cls(
            diffusion=study.diffusion,
            cells=[CellSpec.of(study, stage, sampler, *own) for own in product(steps, scales)],
            select_by=metrics.selecting,
            methods=section.methods,
            counts=section.counts,
            verifier=verifier,
            judge=needed.judge(study),
        )
