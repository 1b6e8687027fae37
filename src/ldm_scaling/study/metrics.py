"""The section `metrics` of a study: its metrics, their names and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..kinds.extractors import EXTRACTORS
from ..kinds.metrics import METRICS, SELECTING, of_features
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
    """CLIP model of metric clip_score: a folder as OpenCLIP saves it."""

    NAMES = ("open_clip_config.json", "open_clip_model.safetensors")


class ClipLike(Strict):
    """A score of images against their captions, fitted to the training split."""

    width: Positive
    """dimensions that images and captions share; at most those of a caption"""
    epochs: Positive
    """passes over the training split"""
    batch: Positive
    """image-caption pairs that are told apart at a time"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate"""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """share of features left out at random while fitting"""


class Metrics(Strict):
    """How samples are compared with the held-out images, and with their prompts."""

    extractor: Extractor | None
    """network whose features are compared; inception_v3 is that of clean-fid and gives FID. null:
    none, where the study has prompts alone"""
    input_size: InputSize
    """pixels a side at which the extractor sees an image; 299 for inception_v3"""
    components: Positive | None
    """number of principal components of the reference in which the Frechet distance is measured;
    null: all dimensions of the features, as FID has them"""
    bootstrap: Annotated[int, Field(ge=10)]
    """bootstrap replicates of every interval, resampled by concept (not for all dimensions)"""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """coverage of every interval"""
    training_sd: Annotated[float | None, Field(gt=0, lt=1, exclude_if=is_none)] = None
    """standard deviation, between trainings of a model, of the log of the metric that `select_by`
    names: measured elsewhere, for studies of one training seed; null: intervals are without it"""
    select_by: Selecting
    """metric that chooses the guidance scale; with inception_v3, fd is FID. Of clip_score the
    highest value is the best"""
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    """model of the CLIP score; null: the score is not measured"""
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None
    """how a substitute for the CLIP score is fitted; null: none is fitted"""

    @model_validator(mode="before")
    @classmethod
    def _nothing_of_no_extractor(cls, given: Any) -> Any:
        # a fixed value of what is unread, so that no job depends on it
        if isinstance(given, dict) and given.get("extractor", ...) is None:
            return given | {"input_size": 32, "components": None}
        return given

    @model_validator(mode="after")
    def _one_alignment(self) -> Metrics:
        if self.clip and self.clip_like:
            raise ValueError(
                "clip_like: metrics.clip names a CLIP model, so no substitute is needed; set null"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_extractor(self) -> Metrics:
        if self.extractor is None:
            return self
        own = EXTRACTORS[self.extractor]
        if own.input_size not in (None, self.input_size):
            raise ValueError(
                f"input_size: {own.name} needs {own.input_size} pixels; set {own.input_size}"
            )
        if own.is_fid and self.components is not None:
            raise ValueError(
                f"components: only all dimensions of {own.name} give FID; set components: null"
            )
        return self

    @model_validator(mode="after")
    def _selecting_metric_is_measured(self) -> Metrics:
        measured = self.names.values()
        if not measured:
            raise ValueError("clip: without an extractor a score measures images; name its model")
        if self.selecting not in measured:
            key = "extractor" if METRICS[self.select_by].compares else "clip"
            known = [name for name in SELECTING if self.names.get(name, name) in measured]
            raise ValueError(
                f"select_by: {self.select_by} needs metrics.{key}, which is null; set that, or name"
                f" {' or '.join(known)}"
            )
        return self

    @property
    def weights(self) -> Path | None:
        """The extractor's file, if no package has it."""
        file = EXTRACTORS[self.extractor].weights if self.extractor else None
        return RESOURCES / file if file else None

    @property
    def names(self) -> dict[str, str]:
        """Names of the metrics in tables, by kind: of features, and clip or clip_like if set."""
        return names_of(self)

    @property
    def selecting(self) -> str:
        """Name in tables of the metric that chooses the guidance."""
        return self.names.get(self.select_by, self.select_by)

    @property
    def alignment(self) -> str | None:
        """Name of the metric that compares images with their captions, if there is one."""
        return self.names.get("clip") or self.names.get("clip_like")


class Compared(Strict):
    """The keys that decide how features are compared with those of the reference."""

    extractor: Extractor | None
    components: Positive | None
    bootstrap: Positive
    confidence: float
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None

    @property
    def names(self) -> dict[str, str]:
        """Names of the metrics in tables, as in `Metrics`."""
        return names_of(self)


def names_of(metrics: Metrics | Compared) -> dict[str, str]:
    """Names of the metrics in tables, by kind: of features, and clip or clip_like if set."""
    clip = {"clip": CLIP_SCORE} if metrics.clip else {}
    clip_like = {"clip_like": CLIP_LIKE} if metrics.clip_like else {}
    features = of_features(metrics.extractor) if metrics.extractor else {}
    return features | clip | clip_like
