"""The spec of every job: the JSON of exactly what decides its result.

Specs are parameters of Snakemake's rules, so a changed key of the study reruns the jobs whose spec
it changes, what depends on them, and nothing else. What a job does not read does not enter its
spec, or with the same value in every study; hardware never does. A `recipe` number is raised by
hand when a job's code changes its results.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .data_section import Data
from .fields import Fraction, Positive, Seed, Strict, is_none
from .metrics_section import INCEPTION_SIZE, Clip, ClipLike, Extractor, InputSize, Metrics
from .study import (
    Autoencoder,
    Diffusion,
    Downsampling,
    Family,
    FixedSetting,
    Guidance,
    Latency,
    Sampler,
    Size,
    Study,
    StudyError,
    TextEncoder,
    Training,
)


def cell_name(steps: int, guidance: float, trained: float | None = None) -> str:
    """The name of a cell within its (model, sampler)."""
    kept = "" if trained in (None, 1) else f"_trained{trained:g}"
    return f"steps{steps}_guidance{guidance:g}{kept}"


class PrepareSpec(Strict):
    """Split the data and pack its images."""

    recipe: Literal[1] = 1
    seed: Seed
    data: Data


class AutoencoderSpec(Strict):
    """Train the autoencoder."""

    recipe: Literal[1] = 1
    seed: Seed
    autoencoder: Autoencoder


class EncodeImagesSpec(Strict):
    """Turn images into latents."""

    recipe: Literal[1] = 1
    autoencoder: str
    revision: str | None
    downsampling: Downsampling
    latent_channels: Positive


class EncodeTextSpec(Strict):
    """Turn captions into text embeddings."""

    recipe: Literal[1] = 1
    text_encoder: TextEncoder


class IndexSpec(Strict):
    """Index the samples of tar shards."""

    recipe: Literal[1] = 1
    max_images: Positive | None


class EncodingSpec(Strict):
    """Turn captioned images of tar shards into latents and text embeddings."""

    recipe: Literal[1] = 1
    image_size: Positive
    images: EncodeImagesSpec
    text: EncodeTextSpec


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


class PretrainSpec(Strict):
    """Train one model."""

    recipe: Literal[1] = 1
    stage: Literal["pretrain"] = "pretrain"
    size: Size
    seed: Seed
    family: Family
    diffusion: Diffusion
    training: Training
    encoding: Annotated[EncodingSpec | None, Field(exclude_if=is_none)] = None
    """given if images and captions are encoded while training"""


class CellSpec(Strict):
    """Sample one cell: (model, sampler, steps, guidance)."""

    recipe: Literal[1] = 1
    sampler: Sampler
    steps: Positive
    guidance: Guidance
    n: Positive
    seed: Seed
    extractor: Extractor
    input_size: InputSize
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    trained: Annotated[Fraction | None, Field(exclude_if=is_none)] = None
    """of a kept checkpoint: its fraction of the training"""

    @property
    def name(self) -> str:
        """Of this cell within its (model, sampler)."""
        return cell_name(self.steps, self.guidance, self.trained)


class SweepSpec(Strict):
    """Sample all cells of one (model, sampler), those of the trained model first."""

    diffusion: Diffusion
    cells: list[CellSpec]


class IllustrateSpec(Strict):
    """Sample the few images of one model that no cell has."""

    recipe: Literal[1] = 1
    stage: Literal["pretrain"] = "pretrain"
    size: Size
    training_seed: Seed
    diffusion: Diffusion
    setting: FixedSetting
    """of the interpolated prompts; its sampler of all images"""
    seed: Seed
    prompts: list[Annotated[int, Field(ge=0)]] = Field(min_length=2)
    """rows of the test captions; the first two are interpolated"""
    budgets: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


class FeaturesSpec(Strict):
    """Features of real and of reconstructed images."""

    recipe: Literal[1] = 1
    extractor: Extractor
    input_size: InputSize
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None


class ClipLikeSpec(Strict):
    """Fit the CLIP-like score, and test it."""

    recipe: Literal[1] = 1
    seed: Seed
    text_encoder: TextEncoder
    clip_like: ClipLike
    styles: list[str]
    """folders of held-out images that are also tested by themselves"""
    bootstrap: Positive
    confidence: float


class MeasureSpec(Strict):
    """Compare features with the reference's."""

    recipe: Literal[1] = 1
    seed: Seed
    n: Positive
    metrics: Metrics


class CostSpec(Strict):
    """Count parameters and FLOPs of the family."""

    recipe: Literal[1] = 1
    family: Family
    latent_shape: tuple[Positive, Positive, Positive]
    """channels, height and width"""
    text_shape: tuple[Positive, Positive]
    """tokens and width"""


class FamilySpec(CostSpec):
    """Count what an image costs beside the U-Net too."""

    image_size: Positive
    autoencoder: Autoencoder
    text_encoder: TextEncoder


class LatencySpec(CostSpec):
    """Time forward passes of the family."""

    latency: Latency


class ClaimsSpec(CostSpec):
    """Decide what is claimed of models, with the cells of the study."""

    study: str
    """its name, for the heading"""
    fixed: FixedSetting
    quality: str
    """the metric that chooses the guidance; lower is better"""
    alignment: str | None
    """the metric of images against their captions; null: none is measured"""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed
    """of resampled training seeds"""


class Specs:
    """The spec of each job of a study."""

    def __init__(self, study: Study):
        self.study = study

    def prepare(self) -> PrepareSpec:
        """Of rule prepare_data; without what only another source reads."""
        data = self.study.data
        unread: dict = {} if data.source == "emoji" else {"styles": ["noto"]}
        if data.source == "emoji":
            unread |= {"path": None, "revision": None}
        elif data.source == "webdataset":  # whose images are not packed
            unread |= {"path": "unread", "revision": None, "max_images": None}
        return PrepareSpec(seed=self.study.seed, data=data.model_copy(update=unread))

    def autoencoder(self) -> AutoencoderSpec:
        """Of rule train_autoencoder; without what names another one."""
        settings = self.study.latents.autoencoder
        trained = settings.model_copy(update={"pretrained": None, "revision": None})
        return AutoencoderSpec(seed=self.study.seed, autoencoder=trained)

    def encode_images(self, autoencoder: str) -> EncodeImagesSpec:
        """Of rule encode_images, with the folder or hub id that stands for the autoencoder."""
        settings = self.study.latents.autoencoder
        return EncodeImagesSpec(
            autoencoder=autoencoder,
            revision=settings.revision,
            downsampling=settings.downsampling,
            latent_channels=settings.latent_channels,
        )

    def encode_text(self) -> EncodeTextSpec:
        """Of rule encode_text."""
        return EncodeTextSpec(text_encoder=self.study.latents.text_encoder)

    def index(self) -> IndexSpec:
        """Of rule index_shards."""
        return IndexSpec(max_images=self.study.data.max_images)

    def encoding(self, autoencoder: str) -> EncodingSpec:
        """Of what encodes tar shards, with the folder or hub id that stands for the autoencoder."""
        return EncodingSpec(
            image_size=self.study.data.image_size,
            images=self.encode_images(autoencoder),
            text=self.encode_text(),
        )

    def encode_part(self, autoencoder: str, part: int) -> EncodePartSpec:
        """Of rule encode_part."""
        encoding = self.encoding(autoencoder)
        return EncodePartSpec(encoding=encoding, part=part, parts=self.study.latents.parts)

    def pretrain(self, size: str, seed: int, autoencoder: str = "") -> PretrainSpec:
        """Of rule pretrain: the family is reduced to this size, the seeds to this seed.

        The autoencoder enters if nothing is encoded before.
        """
        family = self.study.family.model_copy(update={"sizes": [size], "reference_size": size})
        training = self.study.training.model_copy(update={"seeds": [seed]})
        return PretrainSpec(
            size=size,
            seed=seed,
            family=family,
            diffusion=self.study.diffusion,
            training=training,
            encoding=None if self.study.latents.cache else self.encoding(autoencoder),
        )

    def sweep(self, sampler: str) -> SweepSpec:
        """Of rule sweep: one cell for each (steps, guidance), few steps first.

        With the fixed setting's sampler also that setting, if it is not among them, and the same
        at every kept checkpoint.
        """
        sampling, fixed = self.study.sampling, self.study.sampling.fixed
        grid = [(s, g) for s in sorted(sampling.steps) for g in sorted(sampling.guidance)]
        cells = [self._cell(sampler, *setting) for setting in grid]
        if sampler == fixed.sampler:
            setting = (fixed.steps, fixed.guidance)
            cells += [] if setting in grid else [self._cell(sampler, *setting)]
            kept = sorted(self.study.training.keep)
            cells += [self._cell(sampler, *setting, trained=fraction) for fraction in kept]
        return SweepSpec(diffusion=self.study.diffusion, cells=cells)

    def _cell(
        self, sampler: Sampler, steps: int, guidance: float, trained: float | None = None
    ) -> CellSpec:
        sampling, metrics = self.study.sampling, self.study.metrics
        return CellSpec(
            sampler=sampler,
            steps=steps,
            guidance=guidance,
            n=sampling.n,
            seed=sampling.seed,
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=metrics.clip,
            trained=trained,
        )

    def illustrate(self, size: str, seed: int) -> IllustrateSpec:
        """Of rule illustrate, for the model of a training seed."""
        sampling, figures = self.study.sampling, self.study.figures
        return IllustrateSpec(
            size=size,
            training_seed=seed,
            diffusion=self.study.diffusion,
            setting=sampling.fixed,
            seed=sampling.seed,
            prompts=figures.prompts,
            budgets=sorted(figures.budgets),
        )

    def features(self, split: str = "test") -> FeaturesSpec:
        """Of rules real_features and reconstruction_features; captions are those of test only."""
        metrics = self.study.metrics
        return FeaturesSpec(
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=metrics.clip if split == "test" else None,
        )

    def clip_like(self) -> ClipLikeSpec:
        """Of rule fit_clip_like. Raises StudyError if the study has no such score."""
        study, metrics = self.study, self.study.metrics
        if metrics.clip_like is None:
            raise StudyError("config key metrics.clip_like: is null; nothing is fitted")
        by_style = study.data.source == "emoji" and study.data.evaluation is None
        return ClipLikeSpec(
            seed=study.seed,
            text_encoder=study.latents.text_encoder,
            clip_like=metrics.clip_like,
            styles=study.data.styles if by_style else [],
            bootstrap=metrics.bootstrap,
            confidence=metrics.confidence,
        )

    def measure(self) -> MeasureSpec:
        """Of rules measure and floors.

        Without select_by, which chooses among measured cells, and input_size, which the features
        have seen.
        """
        inception = self.study.metrics.extractor == "inception_v3"
        unread = {"select_by": "fd", "input_size": INCEPTION_SIZE if inception else 64}
        metrics = self.study.metrics.model_copy(update=unread)
        return MeasureSpec(seed=self.study.seed, n=self.study.sampling.n, metrics=metrics)

    def cost(self) -> CostSpec:
        """What the family costs at the study's shapes."""
        study = self.study
        return CostSpec(
            family=study.family, latent_shape=study.latent_shape, text_shape=study.text_shape
        )

    def family(self) -> FamilySpec:
        """Of rule family; without what the autoencoder is trained by."""
        latents = self.study.latents
        training = {"images": 1, "batch": 1, "lr": 1.0}
        return FamilySpec(
            **dict(self.cost()),
            image_size=self.study.data.image_size,
            autoencoder=latents.autoencoder.model_copy(update=training),
            text_encoder=latents.text_encoder,
        )

    def latency(self) -> LatencySpec:
        """Of rule latency, which needs no reference size."""
        family = self.study.family
        timed = family.model_copy(update={"reference_size": family.sizes[0]})
        cost = self.cost().model_copy(update={"family": timed})
        return LatencySpec(**dict(cost), latency=self.study.latency)

    def claims(self) -> ClaimsSpec:
        """Of rule claims."""
        study, names = self.study, self.study.metrics.names
        return ClaimsSpec(
            **dict(self.cost()),
            study=study.name,
            fixed=study.sampling.fixed,
            quality=names[study.metrics.select_by],
            alignment=self.study.metrics.alignment,
            confidence=study.metrics.confidence,
            seed=study.seed,
        )
