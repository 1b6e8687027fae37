"""The specs of the jobs of stage dreambooth, in their order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...study.diffusion import Diffusion
from ...study.dreambooth import Dino, Prompts, Teaching
from ...study.family import Size
from ...study.fields import Positive, Seed, Strict, is_none
from ...study.metrics import Clip, Extractor, InputSize
from ...study.sampling import Setting
from ...study.study import Study
from .. import needed
from .latents import EncodeImagesSpec, EncodeTextSpec


class SubjectsSpec(Strict):
    """Choose subjects and pack their images."""

    recipe: Literal[1] = 1
    seed: Seed
    subjects: Positive
    image_size: Positive
    styles: list[str]
    """in which an emoji is drawn; none: subjects are folders of images"""

    @classmethod
    def of(cls, study: Study) -> SubjectsSpec:
        """Spec of rule prepare_subjects."""
        taught = needed.dreambooth(study)
        return cls(
            seed=study.seed,
            subjects=taught.subjects,
            image_size=study.data.image_size,
            styles=list(study.data.styles) if taught.path is None else [],
        )


class EncodeSubjectsSpec(Strict):
    """Turn subjects' images and prompts into latents and embeddings."""

    recipe: Literal[1] = 1
    images: EncodeImagesSpec
    text: EncodeTextSpec
    token: str
    prompts: Prompts

    @classmethod
    def of(cls, study: Study) -> EncodeSubjectsSpec:
        """Spec of rule encode_subjects."""
        taught = needed.dreambooth(study)
        return cls(
            images=EncodeImagesSpec.of(study),
            text=EncodeTextSpec.of(study),
            token=taught.token,
            prompts=taught.prompts,
        )


class PriorSpec(Strict):
    """Sample images of the subjects' classes from a pretrained model."""

    recipe: Literal[1] = 1
    size: Size
    seed: Seed
    """training seed of the model, and of the noise"""
    diffusion: Diffusion
    setting: Setting
    images: Positive
    """of each subject's class"""

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> PriorSpec:
        """Spec of rule sample_prior."""
        return cls(
            size=size,
            seed=seed,
            diffusion=study.diffusion,
            setting=study.sampling.setting,
            images=needed.dreambooth(study).prior_images,
        )


class DreamBoothSpec(Strict):
    """Teach a pretrained model one subject."""

    recipe: Literal[1] = 1
    stage: Literal["dreambooth"] = "dreambooth"
    size: Size
    seed: Seed
    subject: Annotated[int, Field(ge=0)]
    """its number"""
    diffusion: Diffusion
    min_snr_gamma: float | None
    """weighting of noise levels, that of pretraining"""
    teaching: Teaching

    @classmethod
    def of(cls, study: Study, size: str, seed: int, subject: int) -> DreamBoothSpec:
        """Spec of rule dreambooth."""
        return cls(
            size=size,
            seed=seed,
            subject=subject,
            diffusion=study.diffusion,
            min_snr_gamma=study.training.min_snr_gamma,
            teaching=needed.dreambooth(study).teaching,
        )


class ScoreSubjectsSpec(Strict):
    """Sample subjects' prompts from a model before and after it was taught them, and score them."""

    recipe: Literal[1] = 1
    size: Size
    training_seed: Seed
    diffusion: Diffusion
    setting: Setting
    seed: Seed
    """of the initial noise"""
    prompts: Prompts
    images_per_prompt: Positive
    extractor: Extractor
    input_size: InputSize
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    clip_like: bool
    """whether a CLIP-like score is fitted"""
    dino: Annotated[Dino | None, Field(exclude_if=is_none)] = None

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> ScoreSubjectsSpec:
        """Spec of rule score_subjects."""
        sampling, metrics, taught = study.sampling, study.metrics, needed.dreambooth(study)
        return cls(
            size=size,
            training_seed=seed,
            diffusion=study.diffusion,
            setting=sampling.setting,
            seed=sampling.seed,
            prompts=taught.prompts,
            images_per_prompt=taught.images_per_prompt,
            extractor=needed.extractor(study),
            input_size=metrics.input_size,
            clip=metrics.clip,
            clip_like=metrics.clip_like is not None,
            dino=taught.dino,
        )
