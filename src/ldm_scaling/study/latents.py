"""The section `latents` of a study: the autoencoder, the text encoder, and what is cached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .fields import Positive, Strict, is_none
from .hub import Revision, fits_built_in, revision_has_an_id


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Downsampling = Annotated[Literal[2, 4, 8], BeforeValidator(_number)]


class AutoencoderNetwork(Strict):
    """Which network stands between pixels and latents."""

    pretrained: str | None
    """diffusers folder, or hub id with its revision; null: train one on the training split"""
    revision: Revision | None = None
    """full commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""
    downsampling: Downsampling
    """pixels for each latent pixel, a side"""
    latent_channels: Positive
    """channels of the latents"""
    width: Positive
    """channels of the hidden layers, if it is trained here"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)


class Autoencoder(AutoencoderNetwork):
    """The image autoencoder between pixels and latents."""

    images: Positive
    """images seen, if it is trained here"""
    batch: Positive
    """images in a step, if it is trained here"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate (one-cycle), if it is trained here"""


class PublishedEncoder(Strict):
    """Where a frozen text encoder comes from."""

    pretrained: str
    """minilm-l6, minilm-l3, word-vectors, folder, or hub id (CLIP, BERT, T5) with its revision"""
    revision: Revision | None = None
    """full commit of the hub id, 40 hexadecimal digits; null: `pretrained` is no hub id"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)
    _check_built_in = model_validator(mode="after")(fits_built_in)


class TextEncoder(PublishedEncoder):
    """The frozen text encoder."""

    max_tokens: Annotated[int, Field(ge=4, le=512)]
    """captions are padded or cut to this many tokens"""
    width: Positive
    """channels of an embedding; must be the encoder's own"""
    layers: Annotated[int | None, Field(ge=0, exclude_if=is_none)] = None
    """number of first layers to keep; null: all"""


class Latents(Strict):
    """How images and captions are encoded before training."""

    autoencoder: Autoencoder
    text_encoder: TextEncoder
    cache: bool = True
    """true: encode the training data once and keep the latents. false, for source webdataset
    only: encode the images of every training step, which needs no disk"""
    parts: Positive = 1
    """jobs that encode the training data side by side, for source webdataset"""
