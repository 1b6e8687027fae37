"""The specs of jobs that train the autoencoder, or turn images and captions into latents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...study.adopted import AdoptedModel
from ...study.fields import Positive, Seed, Strict
from ...study.latents import Autoencoder, Downsampling, TextEncoder
from ...study.study import Study
from .. import pairs, paths, stages


class AutoencoderSpec(Strict):
    """Train the autoencoder."""

    recipe: Literal[1] = 1
    seed: Seed
    autoencoder: Autoencoder

    @classmethod
    def of(cls, study: Study) -> AutoencoderSpec:
        """Spec of rule train_autoencoder. Keys that name another autoencoder are blanked.

        When the spec's recipe has to rise, remove these keys.
        """
        unread = {"pretrained": None, "revision": None}
        trained = study.latents.autoencoder.model_copy(update=unread)
        return cls(seed=study.seed, autoencoder=trained)


class EncodeImagesSpec(Strict):
    """Turn images into latents."""

    recipe: Literal[1] = 1
    autoencoder: str
    """its folder or hub id"""
    revision: str | None
    downsampling: Downsampling
    latent_channels: Positive

    @classmethod
    def of(cls, study: Study) -> EncodeImagesSpec:
        """Spec of rule encode_images."""
        settings = study.latents.autoencoder
        return cls(
            autoencoder=paths.autoencoder(study),
            revision=settings.revision,
            downsampling=settings.downsampling,
            latent_channels=settings.latent_channels,
        )


class EncodePromptsSpec(Strict):
    """Encode prompts as an adopted pipeline does."""

    recipe: Literal[1] = 1
    pipeline: AdoptedModel
    """without steps, guidance and few_step_of, which decide nothing here"""
    n: Positive
    """prompts: the first captions of the test split"""

    @classmethod
    def of(cls, study: Study, stage: str, size: str) -> EncodePromptsSpec:
        """Spec of rule encode_prompts."""
        return cls(pipeline=stages.adopted(study, stage, size).off_grid, n=study.sampling.n)


class EncodeTextSpec(Strict):
    """Turn captions into text embeddings."""

    recipe: Literal[1] = 1
    text_encoder: TextEncoder

    @classmethod
    def of(cls, study: Study, stage: str | None = None) -> EncodeTextSpec:
        """Spec of rule encode_text; for a stage of the parameter budget, of rule encode_text_of."""
        own = study.latents.text_encoder
        return cls(text_encoder=pairs.text_encoder(study, stage) if stage else own)


class EncodingSpec(Strict):
    """Turn captioned images of tar shards into latents and text embeddings."""

    recipe: Literal[1] = 1
    image_size: Positive
    images: EncodeImagesSpec
    text: EncodeTextSpec

    @classmethod
    def of(cls, study: Study, stage: str | None = None) -> EncodingSpec:
        """Spec of encoding tar shards. A stage of the parameter budget has its own text encoder."""
        return cls(
            image_size=study.data.image_size,
            images=EncodeImagesSpec.of(study),
            text=EncodeTextSpec.of(study, stage),
        )

    @classmethod
    def while_training(cls, study: Study) -> EncodingSpec | None:
        """The same where images and captions are encoded while training, else None."""
        return None if study.latents.cache else cls.of(study)


class EncodePartSpec(Strict):
    """Encode one of several parts of an index."""

    encoding: EncodingSpec
    part: Annotated[int, Field(ge=0)]
    parts: Positive

    @model_validator(mode="after")
    def _part_is_one_of_them(self) -> EncodePartSpec:
        if self.part >= self.parts:
            raise ValueError(f"part {self.part}: there are {self.parts}, from 0 on")
        return self

    @classmethod
    def of(cls, study: Study, part: int) -> EncodePartSpec:
        """Spec of rule encode_part."""
        return cls(encoding=EncodingSpec.of(study), part=part, parts=study.latents.parts)
