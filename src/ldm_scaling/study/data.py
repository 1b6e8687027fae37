"""The study's section `data`: where captioned images come from. Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from ..kinds.sources import EVALUATING, SOURCES
from .fields import Distinct, Fraction, Positive, Strict, is_none, one_of
from .hub import Revision, local_folder


class Splits(Strict):
    """Images that are held out from training. All images of a concept are in one split.

    So are all variants of one emoji, such as of a man, a woman and a person at one occupation.
    """

    validation: Positive
    """images for the floor: real images against real images"""
    test: Positive
    """images with which every metric compares; their captions are the prompts"""


class Evaluation(Strict):
    """The source of the validation and test splits, if it is another than that of training."""

    KEY: ClassVar[str] = "data.evaluation.path"

    source: Annotated[str, one_of(EVALUATING)]
    """imagefolder, coco, or for adopted models prompts: a text file, one prompt a line"""
    path: str
    """folder of the source; the file of prompts"""

    @property
    def folder(self) -> Path:
        """Folder of the images, or the file of prompts."""
        return Path(self.path)


class ToneShare(Strict):
    """Drawings with skin tones in the place of yellow ones, more of some tones than of others."""

    share: Fraction
    """of light tones (1 and 2) among light and dark ones (4 and 5). Only concepts that are drawn
    with all five tones in all styles have tones; captions do not name them"""


# tags are blank: they would stand in the name of a wrong key
SkinTones = Annotated[
    Annotated[Literal["drop", "keep"], Tag("")] | Annotated[ToneShare, Tag(" ")],
    Discriminator(lambda value: "" if isinstance(value, str) else " "),
]


class Data(Strict):
    """Images with captions."""

    KEY: ClassVar[str] = "data.path"

    source: Annotated[str, one_of(SOURCES)]
    """emoji (npm packages), imagefolder (a folder with metadata.csv or metadata.jsonl), coco
    (COCO-2014, unpacked or as zip files), webdataset (a folder of tar shards) or, for adopted
    models, prompts (a text file)"""
    path: str | None = None
    """folder of the source, except for emoji, or file of prompts; with a revision, the id of a data
    set on the hub"""
    revision: Annotated[Revision | None, Field(exclude_if=is_none)] = None
    """full commit of the hub id"""
    styles: Annotated[list[Literal["noto", "twemoji", "fluent"]], Distinct] = Field(min_length=1)
    """drawing styles, for source emoji"""
    skin_tones: SkinTones = "drop"
    """variants with skin tones, for source emoji; a concept's are with it in one split. With a
    share, two drawings of each caption have a tone that the caption does not name"""
    max_images: Positive | None = None
    """use only so many images: whole concepts chosen by `seed`, or the first samples of source
    webdataset; null: all"""
    image_size: Annotated[int, Field(ge=8, multiple_of=8)]
    """pixels a side"""
    splits: Splits
    evaluation: Annotated[Evaluation | None, Field(exclude_if=is_none)] = None
    """source of the validation and test splits; all of `source` is then for training, and unread if
    models are adopted. Source webdataset needs one. null: both splits come from `source`"""

    @model_validator(mode="after")
    def _check_source(self) -> Data:
        own = SOURCES[self.source]
        if (own.files or not own.has_images) and not self.path:
            what = "its folder" if own.has_images else "its file"
            raise ValueError(f"path: source {self.source} needs the path of {what}")
        if not own.is_packed and self.evaluation is None:
            raise ValueError(
                f"evaluation: source {self.source} is for training only; name a source of"
                " validation and test, such as {source: coco, path: resources/coco}"
            )
        if self.tones and self.source != "emoji":
            raise ValueError(
                f"skin_tones: a share is for source emoji, not {self.source}; set drop"
            )
        if self.evaluation and own.has_splits and self.source == self.evaluation.source:
            raise ValueError(
                f"evaluation: source {self.source} has its own validation and test; set null"
            )
        return self

    @property
    def tones(self) -> ToneShare | None:
        """The share of light tones, if drawings have tones that their captions do not name."""
        return self.skin_tones if isinstance(self.skin_tones, ToneShare) else None

    @property
    def is_packed(self) -> bool:
        """Whether the training images are packed into one file, and not read where they lie."""
        return SOURCES[self.source].is_packed

    @property
    def has_images(self) -> bool:
        """Whether there are images, and not prompts alone."""
        return all(SOURCES[own.source].has_images for own in (self, self.evaluation) if own)

    @property
    def folder(self) -> Path:
        """Folder of the images, for every source except emoji; the file of prompts."""
        return local_folder(self.path or "", self.revision, "datasets")
