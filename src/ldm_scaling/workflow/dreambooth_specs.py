"""The specs of the jobs of stage dreambooth, in their order; see `specs`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..study.diffusion import Diffusion
from ..study.dreambooth import Dino, Prompts, Teaching
from ..study.family import Size
from ..study.fields import Positive, Seed, Strict, is_none
from ..study.metrics import Clip, Extractor, InputSize
from ..study.sampling import FixedSetting
from .specs import EncodeImagesSpec, EncodeTextSpec


class SubjectsSpec(Strict):
    """Choose subjects and pack their images."""

    recipe: Literal[1] = 1
    seed: Seed
    subjects: Positive
    image_size: Positive
    styles: list[str]
    """in which an emoji is drawn; none: subjects are folders of images"""


class EncodeSubjectsSpec(Strict):
    """Turn subjects' images and prompts into latents and embeddings."""

    recipe: Literal[1] = 1
    images: EncodeImagesSpec
    text: EncodeTextSpec
    token: str
    prompts: Prompts


class PriorSpec(Strict):
    """Sample images of the subjects' classes from a pretrained model."""

    recipe: Literal[1] = 1
    size: Size
    seed: Seed
    """training seed of the model, and of the noise"""
    diffusion: Diffusion
    setting: FixedSetting
    images: Positive
    """of each subject's class"""


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


class ScoreSubjectsSpec(Strict):
    """Sample subjects' prompts from a model before and after it was taught them, and score them."""

    recipe: Literal[1] = 1
    size: Size
    training_seed: Seed
    diffusion: Diffusion
    setting: FixedSetting
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
