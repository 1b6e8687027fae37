"""The typed study: what `config.yaml` and its overlays can say.

One study is one merged configuration. The Snakefile reads it, so it must be quick to import.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from ..kinds.stages import SECTIONS
from .checks.adopted import check_adopted, of_evaluation
from .checks.bias import check_bias
from .checks.candidates import check_candidates
from .checks.curriculum import check_curriculum
from .checks.dreambooth import with_subjects
from .checks.inversion import check_inversion
from .checks.param_budget import check_param_budget
from .checks.shared import check_prompts, check_shapes_and_counts
from .checks.stitch import with_trajectories
from .checks.students import check_students
from .checks.superres import check_superres
from .checks.training import check_seeds, check_training
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
        fitted = dict.fromkeys(("clip_like", "judge"))
        untrained = {"metrics": {**metrics, **fitted}} if isinstance(metrics, dict) else {}
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
        check_bias(self)
        check_candidates(self)
        check_inversion(self)
        check_prompts(self)
        check_seeds(self)
        return with_trajectories(with_subjects(self))
