"""The specs of jobs that measure the bias of tones, in their order."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field

from ...kinds.arms import BEST_OF_TWO, CANDIDATES, GUIDED, PLAIN
from ...kinds.stages import BIAS
from ...study.bias import Share
from ...study.data import Data
from ...study.diffusion import Diffusion
from ...study.family import Size
from ...study.fields import Positive, Seed, Strict, StudyError, is_none
from ...study.sampling import SCHEDULE_RECIPE, Schedule
from ...study.study import Study
from .. import needed, stages
from .cells import CellSpec
from .data import PrepareSpec
from .measuring import MeasureSpec


class TonesSpec(Strict):
    """Pack drawings of every tone, the balanced training images, and the prompts."""

    recipe: Literal[2] = 2
    seed: Seed
    data: Data
    reference: Share
    n: Positive
    prompts: Positive | None

    @classmethod
    def of(cls, study: Study) -> TonesSpec:
        """Spec of rule prepare_tones."""
        bias, prepare = needed.bias(study), PrepareSpec.of(study)
        return cls(
            seed=prepare.seed,
            data=prepare.data,
            reference=bias.reference,
            n=bias.n,
            prompts=bias.prompts,
        )


class JudgeSpec(Strict):
    """Prepare the judge of tones."""

    recipe: Literal[2] = 2
    seed: Seed
    trees: Positive
    bootstrap: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]

    @classmethod
    def of(cls, study: Study) -> JudgeSpec:
        """Spec of rule judge_tones."""
        metrics = study.metrics
        return cls(
            seed=study.seed,
            trees=needed.bias(study).trees,
            bootstrap=metrics.bootstrap,
            confidence=metrics.confidence,
        )


class HeadsSpec(Strict):
    """Fit linear heads that predict the tone from the bottleneck of one model."""

    recipe: Literal[1] = 1
    size: Size
    training_seed: Seed
    seed: Seed
    """of the noise"""
    diffusion: Diffusion
    schedule: Schedule
    schedule_recipe: int | None = SCHEDULE_RECIPE
    steps: list[Positive]
    noises: Positive
    penalty: Annotated[float, Field(gt=0)]

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> HeadsSpec:
        """Spec of rule fit_tone_heads."""
        bias = needed.bias(study)
        return cls(
            size=size,
            training_seed=seed,
            seed=study.sampling.seed,
            diffusion=study.diffusion,
            schedule=study.sampling.schedule,
            steps=sorted(bias.steps),
            noises=bias.noises,
            penalty=bias.penalty,
        )


class BiasCellSpec(CellSpec):
    """Sample one cell of prompts without a tone."""

    strength: Annotated[float | None, Field(gt=0, exclude_if=is_none)] = None
    """of distribution guidance; null: none"""
    candidates: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """images of a prompt, if a quota keeps one; null: each is kept"""

    @property
    def arm(self) -> str:
        """What is done against the bias, as tables name it."""
        return GUIDED if self.strength else BEST_OF_TWO if self.candidates else PLAIN

    @property
    def name(self) -> str:
        """Name of this cell within its model."""
        strength = f"_strength{self.strength:g}" if self.strength else ""
        candidates = f"_candidates{self.candidates}" if self.candidates else ""
        return f"{super().name}{strength}{candidates}"


class BiasSweepSpec(Strict):
    """Sample all cells of one model, of prompts without a tone."""

    diffusion: Diffusion
    cells: list[BiasCellSpec]
    reference: Share
    tau: Annotated[float, Field(gt=0)]
    group: Positive

    @classmethod
    def of(cls, study: Study, stage: str, name: str) -> BiasSweepSpec:
        """Spec of rule sample_bias: the grid, and where the bias is removed the ways to do so.

        Raises StudyError if the study samples these prompts by another sampler than `name`.
        """
        bias, sampler = needed.bias(study), stages.bias_sampler(study)
        if name != sampler:
            raise StudyError(f"config key bias.sampler: it is {sampler}, not {name}")
        grid = product(sorted(bias.steps), sorted(bias.guidance))
        plain = [cls._cell(study, sampler, *own) for own in grid]
        if stage != BIAS:
            return cls._with(study, plain)
        ways: list[dict[str, Any]] = [{"strength": own} for own in sorted(bias.strengths)]
        ways.append({"candidates": CANDIDATES})
        others = [
            cls._cell(study, sampler, steps, bias.removed_at, **way)
            for steps in sorted(bias.steps)
            for way in ways
        ]
        return cls._with(study, [*plain, *others])

    @classmethod
    def _with(cls, study: Study, cells: list[BiasCellSpec]) -> BiasSweepSpec:
        bias = needed.bias(study)
        kept = {"reference": bias.reference, "tau": bias.tau, "group": bias.group}
        return cls(diffusion=study.diffusion, cells=cells, **kept)

    @staticmethod
    def _cell(study: Study, sampler: str, steps: int, guidance: float, **way: Any) -> BiasCellSpec:
        plain = CellSpec.of(study, stages.BIAS, sampler, steps, guidance)
        own: dict[str, Any] = dict(plain) | {"n": needed.bias(study).n} | way
        return BiasCellSpec(**own)


class MeasureBiasSpec(MeasureSpec):
    """Compare images of prompts without a tone with drawings of every tone."""

    judge: JudgeSpec
    reference: Share

    @classmethod
    def of(cls, study: Study) -> MeasureBiasSpec:
        """Spec of rule measure_bias."""
        bias, plain = needed.bias(study), MeasureSpec.of(study)
        own: dict[str, Any] = dict(plain) | {"n": bias.n}
        return cls(**own, judge=JudgeSpec.of(study), reference=bias.reference)
