"""What decides the claims of a study."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import Field

from ...kinds.metrics import distances
from ...study.fields import Positive, Seed, Strict, is_none
from ...study.sampling import FixedSetting, Sampler
from ...study.study import Study
from ...study.superres import INCEPTION_SCORE
from .. import needed, stages
from .costs import CostSpec
from .measuring import MeasureSpec


class SuperResClaims(Strict):
    """What claims on super-resolution are decided with."""

    perceptual: str
    """the perceptual distance"""
    fixed_steps: Positive
    decay: Literal["cosine", "constant"]
    """of the learning rate"""
    score: Annotated[str | None, Field(exclude_if=is_none)] = None
    """the score of images by their classes; null: none is measured"""

    @classmethod
    def of(cls, study: Study) -> SuperResClaims:
        """Settings of a study's claims on super-resolution."""
        own = needed.superres(study)
        measured = MeasureSpec.of(study, stages.SUPERRES).names
        return cls(
            perceptual=own.perceptual,
            fixed_steps=own.fixed_steps,
            decay=own.decay,
            score=INCEPTION_SCORE if INCEPTION_SCORE in measured else None,
        )


class AgreementClaims(Strict):
    """What claims on metrics are decided with."""

    distances: list[str] = Field(min_length=2)
    """metrics for which lower is better; the others are compared with the first"""
    budgets: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """sampling costs"""

    @classmethod
    def of(cls, study: Study) -> AgreementClaims | None:
        """Settings of a study's claims on metrics; None where there are no distances."""
        every = [name for own in study.metrics.extractors for name in distances(own.name)]
        return cls(distances=every, budgets=sorted(study.figures.budgets)) if every else None


class ClaimsSpec(CostSpec):
    """Decide what is claimed of models, with the cells of the study."""

    study: str
    """its name, for the heading"""
    fixed: FixedSetting
    quality: str
    """the metric that chooses the guidance"""
    alignment: str | None
    """the metric of images against their captions; null: none is measured"""
    coverage: Annotated[str | None, Field(exclude_if=is_none)] = None
    """the metric of diversity that claims on stochastic distillation take; null: there is none"""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed
    """of what training seeds add to draws"""
    training_sd: Annotated[float | None, Field(gt=0, exclude_if=is_none)] = None
    """standard deviation of log quality between trainings, which draws contain; null: none is"""
    figure_sampler: Sampler
    """what figures of one sampler show"""
    decay: Literal["cosine", "constant"]
    """of the learning rate"""
    curriculum: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """whether pretraining follows training.curriculum"""
    agreement: Annotated[AgreementClaims | None, Field(exclude_if=is_none)] = None
    """null: metrics are not compared"""
    superres: Annotated[SuperResClaims | None, Field(exclude_if=is_none)] = None
    """null: the study has no super-resolution"""
    fidelity: Annotated[str | None, Field(exclude_if=is_none)] = None
    """the metric of images against their subject; null: no subject is taught"""
    subjects: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """how many are taught"""
    adopted: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """whether others trained the models"""
    search: Annotated[Literal["adaptive"] | None, Field(exclude_if=is_none)] = None
    """null: guidance is chosen among all scales"""

    @classmethod
    def of(cls, study: Study) -> ClaimsSpec:
        """Spec of rule claims."""
        return cls(
            **dict(CostSpec.of(study)),
            study=study.name,
            fixed=study.sampling.fixed,
            quality=study.metrics.selecting,
            alignment=study.metrics.alignment,
            coverage=study.metrics.coverage if study.arms else None,
            confidence=study.metrics.confidence,
            seed=study.seed,
            training_sd=study.metrics.training_sd,
            figure_sampler=study.sampling.samplers[0],
            decay=study.training.decay if study.trains else "constant",  # there is no checkpoint
            curriculum=study.trains and study.training.curriculum is not None,
            agreement=AgreementClaims.of(study),
            superres=study.superres and SuperResClaims.of(study),
            fidelity=study.dreambooth and study.dreambooth.fidelity(study.metrics),
            subjects=study.dreambooth and study.dreambooth.subjects,
            adopted=not study.trains,
            search="adaptive" if study.searches and study.chooses_guidance else None,
        )
