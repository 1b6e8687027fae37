"""The specs of jobs that make low-resolution images, and models that enlarge them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...kinds.stages import ENLARGING, SCRATCH
from ...study.diffusion import Diffusion
from ...study.family import Family, Size
from ...study.fields import Positive, Seed, Strict, is_none
from ...study.study import Study
from ...study.superres import Degradation, Finetuning, Photos
from .. import needed
from .models import family_of

Stage = Annotated[str, Field(pattern=f"^({ENLARGING})$")]


class PhotosSpec(Strict):
    """Cut a folder of photographs into crops."""

    recipe: Literal[1] = 1
    seed: Seed
    photos: Photos
    image_size: Positive

    @classmethod
    def of(cls, study: Study, split: str) -> PhotosSpec:
        """Spec of rule crop_photos, for the split train or validation.

        Raises StudyError if the split is not of photographs.
        """
        photos = needed.photos(study, split)
        return cls(seed=study.seed, photos=photos, image_size=study.data.image_size)


class DegradeSpec(Strict):
    """Make low-resolution versions of images."""

    recipe: Literal[2] = 2
    seed: Seed
    split: Literal["train", "validation"]
    degradation: Degradation
    count: Positive | None
    """the first images only; null: all"""

    @classmethod
    def of(cls, study: Study, split: Literal["train", "validation"]) -> DegradeSpec:
        """Spec of rule degrade, for the split train or validation."""
        settings = needed.superres(study)
        return cls(
            seed=study.seed,
            split=split,
            degradation=settings.degradation,
            count=settings.n if split == "validation" else None,
        )


class SuperResSpec(Strict):
    """Train one model for super-resolution, from a pretrained one or from scratch."""

    recipe: Literal[1] = 1
    stage: Stage
    size: Size
    seed: Seed
    diffusion: Diffusion
    training: Finetuning
    family: Annotated[Family | None, Field(exclude_if=is_none)] = None
    """of a model from scratch"""
    encoding: Annotated[None, Field(exclude_if=is_none)] = None
    """nothing is encoded while training"""

    @classmethod
    def of(cls, study: Study, stage: Stage, size: str, seed: int) -> SuperResSpec:
        """Spec of rule train_superres."""
        settings = needed.superres(study)
        return cls(
            stage=stage,
            size=size,
            seed=seed,
            diffusion=study.diffusion,
            training=Finetuning.part_of(settings),
            family=family_of(study, size) if stage == SCRATCH else None,
        )
