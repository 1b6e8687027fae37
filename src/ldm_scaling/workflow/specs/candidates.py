"""The spec of the jobs that make candidates and keep some of them."""

from __future__ import annotations

from itertools import product
from typing import Literal

from pydantic import Field

from ...kinds.candidates import METHODS, PARTICLES, resampled_after
from ...study.candidates import Method
from ...study.diffusion import Diffusion
from ...study.fields import Positive, Strict, StudyError
from ...study.metrics import Judge
from ...study.study import Study
from .. import needed, stages
from .cells import CellSpec


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
