"""The sections `distill` and `guided_distill` of a study: students that sample in a few steps.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from .fields import Distinct, Guidance, Optimisation, Positive

if TYPE_CHECKING:
    from .study import Study

FEW_STEPS = 4
"""at which Mei et al. compare students (arXiv 2404.01367, section 4.5)"""


class Distillation(Optimisation):
    """How a student is trained."""

    guidance: Annotated[list[Guidance], Distinct, Field(min_length=1)]
    """scales of the teacher; each image has one of them, which the student is told"""


class Distill(Distillation):
    """Consistency distillation of every size (Song et al. 2023; in latents, Luo et al. 2023)."""

    teacher_steps: Annotated[int, Field(ge=2)]
    """noise levels between which the teacher takes its DDIM steps"""
    loss: Literal["huber", "l2"]
    """pseudo-Huber (Song and Dhariwal 2023) or squared error"""


class GuidedDistill(Distillation):
    """Progressive distillation of guided models (Meng et al. 2023), of some sizes."""

    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes whose students are trained; null: the two smallest"""
    steps: list[Positive] = Field(min_length=1)
    """steps of the students; each takes one where the one before takes two"""

    @model_validator(mode="after")
    def _check_halving(self) -> GuidedDistill:
        if any(2 * after != before for before, after in pairwise(self.steps)):
            raise ValueError("steps: each must be half of the one before, such as 16, 8, 4")
        return self


def check_students(study: Study) -> None:
    """Raise ValueError, naming the key, if students do not fit the rest of a study."""
    levels, most = study.diffusion.train_timesteps, max(study.sampling.students.steps)
    if (study.distill or study.guided_distill) and FEW_STEPS not in study.sampling.students.steps:
        raise ValueError(
            f"sampling.students.steps: must have {FEW_STEPS}, at which students are compared"
        )
    if study.distill and not most <= study.distill.teacher_steps <= levels:
        raise ValueError(
            f"distill.teacher_steps: must be from {most}, the most of sampling.students.steps,"
            f" to diffusion.train_timesteps ({levels})"
        )
    if study.distill and levels % study.distill.teacher_steps:
        raise ValueError(
            f"distill.teacher_steps: must divide diffusion.train_timesteps ({levels}), or"
            " students would start below pure noise"
        )
    for name, section in (("distill", study.distill), ("guided_distill", study.guided_distill)):
        untold = set(study.sampling.students.guidance) - set(section.guidance if section else [])
        if section and untold:
            raise ValueError(
                f"sampling.students.guidance: {min(untold):g} is not in {name}.guidance,"
                " the scales that students learn"
            )
    if study.guided_distill:
        if unknown := set(study.guided_distill.sizes or []) - set(study.family.sizes):
            raise ValueError(f"guided_distill.sizes: {min(unknown)} is not in family.sizes")
        if 2 * study.guided_distill.steps[0] > levels:
            raise ValueError("guided_distill.steps: more than half of diffusion.train_timesteps")
