"""The section `metrics` of a study: which metrics there are, their names and their files.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Positive, Strict, is_none
from .hub import INCEPTION, RESOURCES, Pretrained
from .superres import INCEPTION_SCORE, PSNR, SSIM

Extractor = Literal["effnet_lite0", "inception_v3"]
InputSize = Annotated[int, Field(ge=32)]

INCEPTION_SIZE = 299
"""pixels a side that clean-fid's Inception-v3 sees"""
INCEPTION_WEIGHTS = RESOURCES / INCEPTION
"""clean-fid's network, as TorchScript"""
FID = "fid"
FD_INFINITY, FID_INFINITY = "fd_infinity", "fid_infinity"
CLIP_SCORE = "clip_score"
CLIP_LIKE = "clip_like"
HIGHER_IS_BETTER = {CLIP_SCORE, CLIP_LIKE, PSNR, SSIM, INCEPTION_SCORE}
"""metrics whose minimum is not the best; they choose nothing"""


def distances(extractor: str) -> dict[str, str]:
    """The names of what compares features with the reference's, by kind; lower is better."""
    names = {kind: f"{kind}_{extractor}" for kind in ("fd", FD_INFINITY, "kid")}
    if extractor == "inception_v3":
        names |= {"fd": FID, FD_INFINITY: FID_INFINITY}
    return names


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
    select_by: Literal["fd", "kid"]
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
    def _only_all_dimensions_at_299_pixels_are_fid(self) -> Metrics:
        if self.extractor == "inception_v3":
            if self.input_size != INCEPTION_SIZE:
                raise ValueError(f"input_size: inception_v3 needs {INCEPTION_SIZE}")
            if self.components is not None:
                raise ValueError(
                    "components: inception_v3 needs null; only all dimensions give FID"
                )
        return self

    @property
    def weights(self) -> Path | None:
        """The extractor's file, for one that no package brings."""
        return INCEPTION_WEIGHTS if self.extractor == "inception_v3" else None

    @property
    def names(self) -> dict[str, str]:
        """The metrics' names in tables, by kind: `distances`, and clip or clip_like if set."""
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
    """The metrics' names in tables, by kind: `distances`, and clip or clip_like if set."""
    clip = {"clip": CLIP_SCORE} if metrics.clip else {}
    clip_like = {"clip_like": CLIP_LIKE} if metrics.clip_like else {}
    return distances(metrics.extractor) | clip | clip_like
