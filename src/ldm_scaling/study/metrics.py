"""The section `metrics` of a study: which metrics there are, their names and their files.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from ..kinds.extractors import EXTRACTORS
from ..kinds.metrics import SELECTING, of_features
from .fields import Positive, Strict, is_none, one_of
from .hub import RESOURCES, Pretrained

Extractor = Annotated[str, one_of(EXTRACTORS)]
Selecting = Annotated[str, one_of(SELECTING)]
InputSize = Annotated[int, Field(ge=32)]

FID = "fid"
CLIP_SCORE, CLIP_LIKE = "clip_score", "clip_like"
FEWEST_CONCEPTS = 8
"""concepts among the prompts: FD-infinity divides them into four parts of at least two"""


class Clip(Pretrained):
    """The CLIP model of metric clip_score, in a folder as OpenCLIP saves it."""

    NAMES = ("open_clip_config.json", "open_clip_model.safetensors")


class ClipLike(Strict):
    """A scorer of images against captions, fitted to the training split."""

    width: Positive
    """dimensions of the space that images and captions share"""
    epochs: Positive
    """passes over the training split"""
    batch: Positive
    """pairs that are told apart at a time"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate"""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """share of features left out at random while fitting"""


class Metrics(Strict):
    """How samples are compared with the held-out images."""

    extractor: Extractor
    """network whose features are compared; inception_v3 is clean-fid's and gives FID"""
    input_size: InputSize
    """pixels a side at which the extractor sees an image; 299 for inception_v3"""
    components: Positive | None
    """leading principal components of the reference on which the Frechet distance is taken; null
    means all dimensions of the features, as FID has them"""
    bootstrap: Annotated[int, Field(ge=10)]
    """resamples over concepts behind every interval, except for that of all dimensions"""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """coverage of every interval"""
    select_by: Selecting
    """metric that chooses the guidance scale; fd is FID with inception_v3"""
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    """model of the CLIP score of images with their captions; null measures none"""
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None
    """how a substitute for a CLIP model is fitted, where there is none; null fits none"""

    @model_validator(mode="after")
    def _one_alignment(self) -> Metrics:
        if self.clip and self.clip_like:
            raise ValueError("clip_like: with a CLIP model in metrics.clip, set it to null")
        return self

    @model_validator(mode="after")
    def _fits_the_extractor(self) -> Metrics:
        own = EXTRACTORS[self.extractor]
        if own.input_size not in (None, self.input_size):
            raise ValueError(f"input_size: {own.name} needs {own.input_size}")
        if own.is_fid and self.components is not None:
            raise ValueError(f"components: {own.name} needs null; only all dimensions give FID")
        return self

    @property
    def weights(self) -> Path | None:
        """The extractor's file, for one that no package brings."""
        file = EXTRACTORS[self.extractor].weights
        return RESOURCES / file if file else None

    @property
    def names(self) -> dict[str, str]:
        """The metrics' names in tables, by kind: of features, and clip or clip_like if set."""
        return names_of(self)

    @property
    def alignment(self) -> str | None:
        """The name of the metric of images against their captions, if there is one."""
        return self.names.get("clip") or self.names.get("clip_like")


class Compared(Strict):
    """What decides the comparison of features that are there with the reference's."""

    extractor: Extractor
    components: Positive | None
    bootstrap: Positive
    confidence: float
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None

    @property
    def names(self) -> dict[str, str]:
        """The metrics' names in tables, by kind, as those of `Metrics`."""
        return names_of(self)


def names_of(metrics: Metrics | Compared) -> dict[str, str]:
    """The metrics' names in tables, by kind: of features, and clip or clip_like if set."""
    clip = {"clip": CLIP_SCORE} if metrics.clip else {}
    clip_like = {"clip_like": CLIP_LIKE} if metrics.clip_like else {}
    return of_features(metrics.extractor) | clip | clip_like
