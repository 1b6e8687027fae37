"""The specs of jobs that make the initial noise of one-step students for a score."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from ...kinds.noises import ASCENT, CAPTION, FITTED, NONE
from ...study.diffusion import Diffusion
from ...study.family import Size
from ...study.fields import (
    Guidance,
    Optimisation,
    Positive,
    Seed,
    Strict,
    StudyError,
    is_none,
    one_of,
)
from ...study.inversion import Weight
from ...study.study import Study
from .. import needed, stages
from .cells import CellSpec, SweepSpec
from .seen import ScoreSpec


class InvertSpec(Strict):
    """Fit a distribution of the initial noise of one student."""

    recipe: Literal[1] = 1
    noise: Annotated[str, one_of(FITTED)]
    size: Size
    seed: Seed
    diffusion: Diffusion
    teacher_steps: Positive
    """levels of the grid that the student's step is drawn from"""
    guidance: Guidance
    fitting: Optimisation
    width: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of the distribution for each caption: hidden units"""
    kl_weight: Weight
    verifier: ScoreSpec
    steps: Literal[1] = 1
    schedule: None = None

    @property
    def sampler(self) -> str:
        """Students' own."""
        return stages.SAMPLER_OF[stages.DISTILL]

    @classmethod
    def of(cls, study: Study, noise: str, size: str, seed: int) -> InvertSpec:
        """Spec of rule invert. Raises StudyError if the study inverts nothing."""
        own = needed.inversion(study)
        return cls(
            noise=noise,
            size=size,
            seed=seed,
            diffusion=study.diffusion,
            teacher_steps=needed.distill(study).teacher_steps,
            guidance=own.guidance,
            fitting=Optimisation.part_of(own),
            width=own.width if noise == CAPTION else None,
            kl_weight=own.kl_weight,
            verifier=ScoreSpec.of(study),
        )


class InvertedSpec(SweepSpec):
    """Sample one student from unit noise, and from noise that was made for a score."""

    @classmethod
    def of(cls, study: Study, name: str | None = None) -> InvertedSpec:
        """Spec of rule sample_inverted, for a sampler: a cell for each noise, all else the same.

        Raises StudyError if students have another sampler.
        """
        own, known = needed.inversion(study), stages.student_sampler(study)
        if name not in (None, known):
            raise StudyError(f"stage {stages.INVERSION} is not sampled by {name} but by {known}")
        cell = CellSpec.of(study, stages.INVERSION, known, own.steps, own.guidance)
        cell = cell.model_copy(update={"judge": needed.judge(study)})
        cells = [cell.model_copy(update={"noise": noise}) for noise in (NONE, *FITTED)]
        if own.ascent:
            verifier = ScoreSpec.of(study)
            for count in sorted(own.ascent.iterations):
                steps = own.ascent.model_copy(update={"iterations": [count]})
                made = {"noise": f"{ASCENT}{count}", "ascent": steps, "verifier": verifier}
                cells.append(cell.model_copy(update=made))
        return cls(diffusion=study.diffusion, cells=cells)


class InversionCosts(Strict):
    """What it costs to make noise, beside networks that images pass."""

    images: Positive
    """that a distribution is fitted with"""
    network_gflops: float
    """of the network from a caption to its noise"""

    @classmethod
    def of(cls, study: Study) -> InversionCosts:
        """Costs of rule inversion_table."""
        own = needed.inversion(study)
        text, noise = study.text_shape[1], math.prod(study.latent_shape)
        layers = own.width * (text + 2 * noise)
        return cls(
            images=math.ceil(own.images / own.batch) * own.batch, network_gflops=2e-9 * layers
        )
