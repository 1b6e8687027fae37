"""The specs of jobs that make tables of measured cells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...study.fields import Fraction, Guidance, Positive, Strict, is_none
from ...study.metrics import Selecting
from ...study.study import Study
from .. import needed, searches, stages


class SearchCostSpec(Strict):
    """Replay adaptive searches on cells of the whole grid."""

    recipe: Literal[3] = 3
    grids: dict[str, tuple[list[Positive], list[Guidance]]]
    """step counts and scales of each stage whose guidance is searched, ascending"""
    most_steps: Annotated[dict[str, Positive] | None, Field(exclude_if=is_none)] = None
    """of a pretrained size or a sampler, where it takes fewer"""
    n: Positive
    look: Annotated[float, Field(gt=0, le=1)]
    select_by: Selecting
    metric: str
    """its name in tables"""
    components: Positive | None
    confidence: Annotated[float, Field(gt=0, lt=1)]

    @classmethod
    def of(cls, study: Study) -> SearchCostSpec:
        """Spec of rule replay_searches."""
        metrics = study.metrics
        searched = searches.searched_samplers(study)
        return cls(
            grids={stage: stages.grid(study, stage) for stage, _ in searched},
            most_steps=study.sampling.most_steps,
            n=study.sampling.n,
            look=study.search.look,
            select_by=metrics.select_by,
            metric=metrics.selecting,
            components=metrics.components,
            confidence=metrics.confidence,
        )


class ParamBudgetSpec(Strict):
    """Compare splits of equal parameters, and of equal FLOPs."""

    quality: str
    """the metric that chooses the guidance"""
    alignment: str | None
    """the metric of images against their captions; null: none is measured"""
    sampler: str
    steps: Positive
    guided: bool
    """whether an image takes two forward passes a step"""
    confidence: Annotated[Fraction, Field(gt=0, lt=1)]
    training_sd: Annotated[float | None, Field(gt=0, exclude_if=is_none)] = None
    """standard deviation of log quality between trainings; null: draws are without it"""

    @classmethod
    def of(cls, study: Study) -> ParamBudgetSpec:
        """Spec of rule param_budget_table."""
        budget, metrics = needed.param_budget(study), study.metrics
        return cls(
            quality=metrics.selecting,
            alignment=metrics.alignment,
            sampler=study.sampling.fixed.sampler,
            steps=budget.steps,
            guided=max(budget.guidance) > 1,
            confidence=metrics.confidence,
            training_sd=metrics.training_sd,
        )
