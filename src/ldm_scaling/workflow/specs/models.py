"""The specs of jobs that train models on captioned images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...kinds.stages import ARM, BALANCED, CURRICULA, DISTILL, PAIR, PRETRAIN, order_of
from ...study.diffusion import Diffusion
from ...study.distill import Arm, Distill, GuidedDistill
from ...study.family import Family, Size
from ...study.fields import Positive, Seed, Strict, is_none
from ...study.sampling import Schedule
from ...study.study import Study
from ...study.training import Training
from .. import needed, stages
from .latents import EncodingSpec

Encoding = Annotated[EncodingSpec | None, Field(exclude_if=is_none)]


def family_of(study: Study, size: str) -> Family:
    """The family, reduced to a size: other sizes do not decide its model.

    Both names of the size leave the specs when their recipes have to rise.
    """
    return study.family.model_copy(update={"sizes": [size], "reference_size": size})


class PretrainSpec(Strict):
    """Train one model."""

    recipe: Literal[1] = 1
    stage: Annotated[str, Field(pattern=f"^({PRETRAIN}|{PAIR}|{CURRICULA}|{BALANCED})$")] = PRETRAIN
    size: Size
    seed: Seed
    family: Family
    diffusion: Diffusion
    training: Training
    encoding: Encoding = None
    """given if images and captions are encoded while training"""

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> PretrainSpec:
        """Spec of rule pretrain."""
        return cls(
            size=size,
            seed=seed,
            family=family_of(study, size),
            diffusion=study.diffusion,
            training=study.training.of_size(size, study.family.reference_size).model_copy(
                update={"seeds": [seed]}
            ),
            encoding=EncodingSpec.while_training(study),
        )

    @classmethod
    def of_balanced(cls, study: Study, size: str, seed: int) -> PretrainSpec:
        """Spec of rule pretrain_balanced: as pretraining, on the images with balanced tones."""
        needed.bias(study)
        return cls.of(study, size, seed).model_copy(update={"stage": BALANCED})

    @classmethod
    def of_pair(cls, study: Study, stage: str, size: str, seed: int) -> PretrainSpec:
        """Spec of rule pretrain_pair: as pretraining, with its own lengths and no kept checkpoints.

        Tar shards are encoded while training: their cache has one encoder's embeddings.
        """
        budget, spec = needed.param_budget(study), cls.of(study, size, seed)
        names = ("images", "warmup_images", "ema_images")
        lengths = {name: getattr(budget, name) for name in names}
        shards = not study.data.is_packed
        changed = {
            "stage": stage,
            "training": spec.training.model_copy(update={**lengths, "keep": []}),
            "encoding": EncodingSpec.of(study, stage) if shards else None,
        }
        return spec.model_copy(update=changed)

    @classmethod
    def of_curriculum(cls, study: Study, stage: str, size: str, seed: int) -> PretrainSpec:
        """Spec of rule pretrain_curriculum: as pretraining, by a curriculum."""
        spec, curriculum = cls.of(study, size, seed), needed.curriculum(study)
        own = {"curriculum": curriculum.of_order(order_of(stage))}
        changed = {"stage": stage, "training": spec.training.model_copy(update=own)}
        return spec.model_copy(update=changed)


class DistillSpec(Strict):
    """Distil one model into a student of few steps."""

    recipe: Literal[1] = 1
    stage: Annotated[str, Field(pattern=f"^({DISTILL}|{ARM})$")] = DISTILL
    size: Size
    seed: Seed
    diffusion: Diffusion
    distill: Distill
    arm: Annotated[Arm | None, Field(exclude_if=is_none)] = None
    """of stochastic distillation; null: the plain student"""
    encoding: Encoding = None
    """given if images and captions are encoded while training"""

    @property
    def teacher_steps(self) -> int:
        """Levels of the teacher's grid, from which the student's are drawn."""
        return self.distill.teacher_steps

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> DistillSpec:
        """Spec of rule distill. Raises StudyError if the study has no such stage."""
        return cls(
            size=size,
            seed=seed,
            diffusion=study.diffusion,
            distill=needed.distill(study).model_copy(update={"seeds": None, "stochastic": None}),
            encoding=EncodingSpec.while_training(study),
        )

    @classmethod
    def of_arm(cls, study: Study, stage: str, size: str, seed: int) -> DistillSpec:
        """Spec of rule distill_stochastic. Raises StudyError if the study has no such arm."""
        arm = needed.arm(study, stages.arm_of(stage))
        return cls.of(study, size, seed).model_copy(update={"stage": stage, "arm": arm})


class GuidedDistillSpec(Strict):
    """Teach a student to take one step where its teacher takes two."""

    recipe: Literal[1] = 1
    size: Size
    seed: Seed
    diffusion: Diffusion
    steps: Positive
    """steps of this student"""
    schedule: Schedule
    """where they lie"""
    guided_distill: GuidedDistill
    encoding: Encoding = None
    """given if images and captions are encoded while training"""

    @property
    def stage(self) -> str:
        """Stage of the student."""
        return f"guided_distill{self.steps}"

    @classmethod
    def of(cls, study: Study, steps: int, size: str, seed: int) -> GuidedDistillSpec:
        """Spec of rule guided_distill. Raises StudyError if the study has no such stage."""
        own = {"sizes": [size], "steps": [steps], "seeds": None}
        return cls(
            size=size,
            seed=seed,
            diffusion=study.diffusion,
            steps=steps,
            schedule=study.sampling.schedule,
            guided_distill=needed.guided_distill(study).model_copy(update=own),
            encoding=EncodingSpec.while_training(study),
        )
