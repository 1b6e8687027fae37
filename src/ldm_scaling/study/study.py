"""The typed study: what `config.yaml` and its overlays can say.

One study is one merged configuration. The Snakefile reads it, so it must be quick to import.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from ..kinds.stages import SECTIONS
from .check_curriculum import check_curriculum
from .checks import (
    check_adopted,
    check_param_budget,
    check_prompts,
    check_seeds,
    check_shapes_and_counts,
    check_students,
    check_superres,
    check_training,
    of_evaluation,
    with_subjects,
    with_trajectories,
)
from .sections import Sections


class Study(Sections):
    """One merged configuration."""

    @model_validator(mode="before")
    @classmethod
    def _trains_nothing_if_it_adopts(cls, merged: Any) -> Any:
        # config.yaml has these sections, and an overlay of a few lines should do
        if not (isinstance(merged, dict) and merged.get("adopted")):
            return merged
        metrics = merged.get("metrics")
        untrained = {"metrics": {**metrics, "clip_like": None}} if isinstance(metrics, dict) else {}
        return merged | dict.fromkeys(SECTIONS) | untrained

    @model_validator(mode="after")
    def _check_across_sections(self) -> Study:
        study = of_evaluation(self) if self.adopted else self
        check_shapes_and_counts(study)
        if study.adopted:
            check_prompts(study)
            check_adopted(study)
            return study
        check_training(self)
        check_students(self)
        check_superres(self)
        check_param_budget(self)
        check_curriculum(self)
        check_prompts(self)
        check_seeds(self)
        return with_trajectories(with_subjects(self))
