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
    """a diffusers folder, or a hub id with its revision; null trains one on the training split"""
    revision: Revision | None = None
    """commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""
    downsampling: Downsampling
    """pixels a latent pixel, a side"""
    latent_channels: Positive
    """channels of the latents"""
    width: Positive
    """channels of the hidden layers, when trained here"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)


class Autoencoder(AutoencoderNetwork):
    """The image autoencoder between pixels and latents."""

    images: Positive
    """images seen, when trained here"""
    batch: Positive
    """images a step, when trained here"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate (one-cycle), when trained here"""


class TextEncoder(Strict):
    """The frozen text encoder."""

    pretrained: str
    """minilm-l6, minilm-l3, word-vectors, folder, or hub id (CLIP, BERT, T5) with its revision"""
    revision: Revision | None = None
    """commit of the hub id, 40 hexadecimal digits; null: `pretrained` is no hub id"""
    max_tokens: Annotated[int, Field(ge=4, le=512)]
    """captions are padded and cut to this many tokens"""
    width: Positive
    """channels of an embedding"""
    layers: Annotated[int | None, Field(ge=0, exclude_if=is_none)] = None
    """its first layers that are kept; null: all"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)
    _check_built_in = model_validator(mode="after")(fits_built_in)


class Latents(Strict):
    """What images and captions become before training."""

    autoencoder: Autoencoder
    text_encoder: TextEncoder
    cache: bool = True
    """encode the training data once and keep the latents; false, for source webdataset only,
    encodes them anew at every step of every training and needs no disk"""
    parts: Positive = 1
    """jobs that encode the training data side by side, for source webdataset"""
