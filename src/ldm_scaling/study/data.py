"""The study's section `data`: where captioned images come from. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..kinds.sources import EVALUATING, SOURCES
from .fields import Distinct, Positive, Strict, is_none, one_of
from .hub import Revision, local_folder


class Splits(Strict):
    """Images held out from training; the rest is for training. No concept is in two splits."""

    validation: Positive
    """images for the real-against-real floor"""
    test: Positive
    """images that every metric compares with; their captions are the prompts"""


class Evaluation(Strict):
    """A source that the splits validation and test come from, instead of the training source."""

    KEY: ClassVar[str] = "data.evaluation.path"

    source: Annotated[str, one_of(EVALUATING)]
    """coco or imagefolder"""
    path: str
    """its folder"""

    @property
    def folder(self) -> Path:
        """Where its images lie."""
        return Path(self.path)


class Data(Strict):
    """Image-caption pairs."""

    KEY: ClassVar[str] = "data.path"

    source: Annotated[str, one_of(SOURCES)]
    """emoji (npm packages), imagefolder (a folder with metadata.csv or metadata.jsonl), coco
    (COCO-2014, unpacked or as its zips) or webdataset (a folder of tar shards)"""
    path: str | None = None
    """the folder, for every source but emoji; with a revision, the id of a data set on the hub"""
    revision: Annotated[Revision | None, Field(exclude_if=is_none)] = None
    """commit of the hub id"""
    styles: Annotated[list[Literal["noto", "twemoji", "fluent"]], Distinct] = Field(min_length=1)
    """drawing styles, for source emoji"""
    max_images: Positive | None = None
    """use only so many images, a seeded choice of whole concepts (webdataset: the first samples);
    null means all"""
    image_size: Annotated[int, Field(ge=8, multiple_of=8)]
    """pixels a side"""
    splits: Splits
    evaluation: Annotated[Evaluation | None, Field(exclude_if=is_none)] = None
    """where validation and test come from; all of `source` is then for training. Source webdataset
    needs it; null takes them from `source`"""

    @model_validator(mode="after")
    def _check_source(self) -> Data:
        own = SOURCES[self.source]
        if own.files and not self.path:
            raise ValueError(f"path: source {self.source} needs the folder's path")
        if not own.is_packed and self.evaluation is None:
            raise ValueError(
                f"evaluation: source {self.source} is for training only; name what validation and"
                " test come from, such as {source: coco, path: resources/coco}"
            )
        if self.evaluation and own.has_splits and self.source == self.evaluation.source:
            raise ValueError(f"evaluation: source {self.source} has splits of its own; set null")
        return self

    @property
    def is_packed(self) -> bool:
        """Whether the training images are packed into one file, and not read where they lie."""
        return SOURCES[self.source].is_packed

    @property
    def folder(self) -> Path:
        """Where the images lie, for every source but emoji."""
        return local_folder(self.path, self.revision, "datasets")
