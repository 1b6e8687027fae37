"""The section `metrics` of a study: its metrics, their names and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from ..kinds.extractors import EXTRACTORS
from ..kinds.metrics import SELECTING, of_features
from ..kinds.scorers import SCORERS
from .fields import Positive, Strict, is_none, one_of
from .hub import RESOURCES, Pretrained, Revision, local_folder, marker, revision_has_an_id

Extractor = Annotated[str, one_of(EXTRACTORS)]
Selecting = Annotated[str, one_of(SELECTING)]
InputSize = Annotated[int, Field(ge=32)]

FID = "fid"
CLIP_SCORE, CLIP_LIKE, JUDGE = "clip_score", "clip_like", "judge"
FEATURES = "features"
"""array of the first extractor's features; those of another extractor have its name"""
FEWEST_CONCEPTS = 8
"""concepts among the prompts: FD-infinity divides them into four parts of at least two"""


class Scorer(Pretrained):
    """A model that scores images against their captions."""

    name: Annotated[str, one_of(SCORERS)]
    """clip_score is a folder as OpenCLIP saves it; pickscore and hps as transformers' CLIPModel"""

    @property
    def files(self) -> list[Path]:
        """The files that decide the scores: architecture, preprocessing and weights."""
        return [self.folder / name for name in SCORERS[self.name].files]


class FeatureNetwork(Strict):
    """A network that images are seen by."""

    name: Extractor
    """inception_v3 is that of clean-fid and gives FID; dinov2 and clip are folders as transformers
    saves them"""
    input_size: InputSize
    """pixels a side at which it sees an image; inception_v3: 299, dinov2: 224, clip: its own"""
    pretrained: Annotated[str | None, Field(exclude_if=is_none)] = None
    """of dinov2 and clip: folder, or a hub id with its revision"""
    revision: Annotated[Revision | None, Field(exclude_if=is_none)] = None
    """full commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)

    @model_validator(mode="after")
    def _fits_the_network(self) -> FeatureNetwork:
        own = EXTRACTORS[self.name]
        if own.input_size not in (None, self.input_size):
            raise ValueError(
                f"input_size: {own.name} needs {own.input_size} pixels; set {own.input_size}"
            )
        if own.files and self.pretrained is None:
            raise ValueError(f"pretrained: {own.name} needs its folder or hub id; name it")
        if self.pretrained and not own.files:
            raise ValueError(f"pretrained: {own.name} brings its weights; remove the key")
        return self

    @property
    def weights(self) -> Path | None:
        """Its file or its folder; None if a package has it."""
        if self.pretrained:
            return local_folder(self.pretrained, self.revision)
        file = EXTRACTORS[self.name].weights
        return RESOURCES / file if file else None

    @property
    def files(self) -> list[Path]:
        """The files that decide the features, if no package has them."""
        if self.weights is None:
            return []
        return [self.weights / name for name in EXTRACTORS[self.name].files] or [self.weights]

    @property
    def inputs(self) -> list[Path]:
        """Files that must exist before images are seen."""
        if self.pretrained and self.revision:
            return [marker(self.pretrained, self.revision)]
        return self.files


class FeatureExtractor(FeatureNetwork):
    """A network whose features of images are compared."""

    components: Positive | None
    """number of principal components of the reference in which the Frechet distance is measured;
    null: all dimensions of the features, as FID has them"""

    @model_validator(mode="after")
    def _fid_takes_all(self) -> FeatureExtractor:
        if EXTRACTORS[self.name].is_fid and self.components is not None:
            raise ValueError(
                f"components: only all dimensions of {self.name} give FID; set components: null"
            )
        return self


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


class Judge(Strict):
    """A score of images against their captions that chooses no image: it judges what others chose.

    An extractor's features are fitted to the training split as `clip_like` says.
    """

    extractor: FeatureNetwork | None = None
    """network of a second CLIP-like score, none of metrics.extractors; null: a scorer judges"""
    scorer: Scorer | None = None
    """model that scores images, none of metrics.scorers; null: an extractor's features judge"""

    @model_validator(mode="after")
    def _one_of_both(self) -> Judge:
        if (self.extractor is None) == (self.scorer is None):
            raise ValueError("extractor: a judge has either an extractor or a scorer; name one")
        return self

    @property
    def inputs(self) -> list[Path]:
        """Files that must exist before it judges."""
        own = self.extractor or self.scorer
        return own.inputs if own else []


class Metrics(Strict):
    """How samples are compared with the held-out images, and with their prompts."""

    extractors: list[FeatureExtractor]
    """networks whose features are compared; `select_by` is a metric of the first one's, or a score.
    None where the study has prompts alone"""
    bootstrap: Annotated[int, Field(ge=10)]
    """bootstrap replicates of every interval, resampled by concept (not for all dimensions)"""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """coverage of every interval"""
    training_sd: Annotated[float | None, Field(gt=0, lt=1, exclude_if=is_none)] = None
    """standard deviation, between trainings of a model, of the log of the metric that `select_by`
    names: measured elsewhere, for studies of one training seed; null: intervals are without it"""
    select_by: Selecting
    """metric that chooses the guidance scale; with inception_v3, fd is FID. The highest value of a
    score is the best"""
    scorers: list[Scorer] = Field(default_factory=list)
    """models that score images against their captions; claims and figures take the first one's"""
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None
    """how a substitute for the CLIP score is fitted; null: none is fitted"""
    judge: Annotated[Judge | None, Field(exclude_if=is_none)] = None
    """what judges images that were chosen by the study's own score; null: nothing is chosen"""

    @model_validator(mode="after")
    def _names_differ(self) -> Metrics:
        for key, listed in (("extractors", self.extractors), ("scorers", self.scorers)):
            names = [own.name for own in listed]
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{key}: {twice[0]} is listed twice; remove one")
        filed = [own.name for own in self.extractors if EXTRACTORS[own.name].weights]
        if len(filed) > 1:
            raise ValueError(f"extractors: only one can be a file of weights; remove {filed[1]}")
        return self

    @model_validator(mode="after")
    def _one_alignment(self) -> Metrics:
        if self.scorers and self.clip_like:
            raise ValueError(
                "clip_like: metrics.scorers names a model, so no substitute is needed; set null"
            )
        return self

    @model_validator(mode="after")
    def _judge_is_independent(self) -> Metrics:
        if self.judge is None:
            return self
        own, others, key = self.judge.extractor, self.extractors, "extractor"
        if self.judge.scorer:
            own, others, key = self.judge.scorer, self.scorers, "scorer"
        if own and own.name in {other.name for other in others}:
            raise ValueError(
                f"judge.{key}: {own.name} is also in metrics.{key}s, and a judge must be"
                " independent of what chooses and compares images; name another"
            )
        if self.judge.extractor and not self.clip_like:
            raise ValueError(
                "judge.extractor: its score is fitted as metrics.clip_like says, which is null;"
                " name a judge.scorer instead"
            )
        return self

    @model_validator(mode="after")
    def _selecting_metric_is_measured(self) -> Metrics:
        if not self.names:
            raise ValueError("scorers: without extractors a score measures images; name a model")
        if self.select_by not in self.names:
            known = [name for name in SELECTING if name in self.names]
            raise ValueError(
                f"select_by: {self.select_by} is no metric of {self.extractor or 'no extractor'},"
                " the first of metrics.extractors, and no scorer of metrics.scorers; choose"
                f" {' or '.join(known)}"
            )
        return self

    @property
    def extractor(self) -> str | None:
        """Name of the first extractor, if there is one."""
        return self.extractors[0].name if self.extractors else None

    @property
    def components(self) -> int | None:
        """Principal components of the first extractor's features."""
        return self.extractors[0].components if self.extractors else None

    @property
    def weights(self) -> Path | None:
        """The file of an extractor that has one, if no package and no folder has it."""
        found = [own.weights for own in self.extractors if EXTRACTORS[own.name].weights]
        return found[0] if found else None

    @property
    def every_extractor(self) -> list[FeatureNetwork]:
        """Those of `extractors`, and the judge's."""
        judge = self.judge.extractor if self.judge else None
        return [*self.extractors, *([judge] if judge else [])]

    @property
    def every_scorer(self) -> list[Scorer]:
        """Those of `scorers`, and the judge."""
        judge = self.judge.scorer if self.judge else None
        return [*self.scorers, *([judge] if judge else [])]

    @property
    def clip(self) -> Scorer | None:
        """The model of the CLIP score, if it is measured."""
        return next((own for own in self.scorers if own.name == CLIP_SCORE), None)

    @property
    def names(self) -> dict[str, str]:
        """Names of the metrics in tables, by kind; see `names_of`."""
        return names_of(self.extractors, self.scorers, self.clip_like)

    @property
    def selecting(self) -> str:
        """Name in tables of the metric that chooses the guidance."""
        return self.names[self.select_by]

    @property
    def alignment(self) -> str | None:
        """Name of the metric that compares images with their captions, if there is one."""
        return self.scorers[0].name if self.scorers else self.names.get(CLIP_LIKE)

    @property
    def coverage(self) -> str | None:
        """Name of the share of real images that samples come near, if there are real images."""
        return self.names.get("coverage")


class Components(Strict):
    """How the features of an extractor are compared."""

    name: Extractor
    components: Positive | None


class Compared(Strict):
    """The keys that decide how features are compared with those of the reference."""

    extractors: list[Components]
    bootstrap: Positive
    confidence: float
    scorers: list[Scorer] = Field(default_factory=list)
    clip_like: Annotated[ClipLike | None, Field(exclude_if=is_none)] = None

    @classmethod
    def of(cls, metrics: Metrics) -> Compared:
        """Those of a study."""
        return cls(
            extractors=[Components.part_of(own) for own in metrics.extractors],
            bootstrap=metrics.bootstrap,
            confidence=metrics.confidence,
            scorers=metrics.scorers,
            clip_like=metrics.clip_like,
        )

    @property
    def names(self) -> dict[str, str]:
        """Names of the metrics in tables, by kind; see `names_of`."""
        return names_of(self.extractors, self.scorers, self.clip_like)


def names_of(
    extractors: Sequence[FeatureExtractor | Components],
    scorers: Sequence[Scorer],
    clip_like: ClipLike | None,
) -> dict[str, str]:
    """Names of the metrics in tables: of the first extractor's features by kind, others by name."""
    by_name = [name for own in extractors[1:] for name in of_features(own.name).values()]
    by_name += [own.name for own in scorers] + ([CLIP_LIKE] if clip_like else [])
    first = of_features(extractors[0].name) if extractors else {}
    return first | {name: name for name in by_name}
