"""The sections `distill` and `guided_distill` of a study: students that sample in a few steps.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Distinct, Guidance, Positive, Strict


class Distillation(Strict):
    """How a student is trained; lengths are in images seen."""

    images: Positive
    """images seen by each student"""
    batch: Positive
    """images a step over all devices"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate"""
    warmup_images: Annotated[int, Field(ge=0)]
    """images of linear warm-up"""
    decay: Literal["cosine", "constant"]
    """shape after the warm-up"""
    weight_decay: Annotated[float, Field(ge=0)]
    """of AdamW"""
    clip_norm: Annotated[float, Field(gt=0)]
    """largest gradient norm"""
    ema_images: Positive
    """half-life of the moving average of the weights: the student that is kept"""
    guidance: Annotated[list[Guidance], Distinct, Field(min_length=1)]
    """scales of the teacher; each image has one of them, which the student is told"""

    @model_validator(mode="after")
    def _check_warmup(self) -> Distillation:
        if self.warmup_images >= self.images:
            raise ValueError("warmup_images: must be smaller than images")
        return self


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
