"""The typed study: what `config.yaml` and its overlays can say.

One study is one merged configuration. The Snakefile reads it, so it must be quick to import.
"""

from __future__ import annotations

from pydantic import model_validator

from .checks import (
    check_param_budget,
    check_prompts,
    check_seeds,
    check_shapes_and_counts,
    check_students,
    check_superres,
    with_subjects,
    with_trajectories,
)
from .sections import Sections


class Study(Sections):
    """One merged configuration."""

    @model_validator(mode="after")
    def _check_across_sections(self) -> Study:
        check_shapes_and_counts(self)
        check_students(self)
        check_superres(self)
        check_param_budget(self)
        check_prompts(self)
        check_seeds(self)
        return with_trajectories(with_subjects(self))
