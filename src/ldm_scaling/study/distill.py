"""The sections `distill` and `guided_distill` of a study: students that sample in a few steps.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from .fields import Distinct, Guidance, Optimisation, Positive

if TYPE_CHECKING:
    pass

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
