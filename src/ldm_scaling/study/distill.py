"""The sections `distill` and `guided_distill` of a study: students that sample in a few steps."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Distinct, Fraction, Guidance, Optimisation, OwnSeeds, Positive, Strict, is_none

FEW_STEPS = 4
"""steps at which Mei et al. compare students (arXiv 2404.01367, section 4.5)"""


class Distillation(Optimisation):
    """How a student is trained."""

    guidance: Annotated[list[Guidance], Distinct, Field(min_length=1)]
    """guidance scales of the teacher; the student is told the scale of each image"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models are distilled; null: all"""


class Adversary(Strict):
    """A discriminator that is trained beside a student, as part of its loss."""

    weight: Annotated[float, Field(gt=0)]
    """of the adversarial loss, beside the consistency loss"""
    lr: Annotated[float, Field(gt=0)]
    """learning rate of the discriminator, constant"""
    lora_rank: Positive | None = None
    """rank of LoRA in the decoder half of the teacher's copy; null: all of that half is trained"""


class Arm(Strict):
    """A way in which a student of stochastic consistency distillation learns."""

    eta: Fraction
    """share of new noise in a teacher's step: 0 is DDIM, 1 is as DDPM"""
    substeps: Positive
    """steps of the teacher within one interval of its noise levels"""
    adversary: Adversary | None = None
    """null: the consistency loss alone"""


PLAIN = Arm(eta=0, substeps=1)
"""the student of the section itself"""


class Distill(Distillation):
    """Consistency distillation of every size (Song et al. 2023; in latents, Luo et al. 2023)."""

    teacher_steps: Annotated[int, Field(ge=2)]
    """noise levels between which the teacher takes DDIM steps"""
    loss: Literal["huber", "l2"]
    """huber: pseudo-Huber (Song and Dhariwal 2023); l2: squared error"""
    stochastic: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9]+$")], Arm] | None,
        Field(min_length=1, exclude_if=is_none),
    ] = None
    """more students of every size, by the names of their arms (SCott, arXiv 2403.01505): plain with
    additions, the whole method last, which claims are about; null: none"""


class GuidedDistill(Distillation):
    """Progressive distillation of guided models (Meng et al. 2023), of some sizes."""

    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes whose students are trained; null: the two smallest"""
    steps: list[Positive] = Field(min_length=1)
    """steps of the students; one step of a student replaces two of the student before"""

    @model_validator(mode="after")
    def _check_halving(self) -> GuidedDistill:
        if any(2 * after != before for before, after in pairwise(self.steps)):
            raise ValueError(
                "steps: each number must be half of the number before, such as 16, 8, 4"
            )
        return self
