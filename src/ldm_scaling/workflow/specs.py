"""The spec of every job: the JSON of exactly what decides its result.

Specs are parameters of Snakemake's rules, so a changed key of the study reruns the jobs whose spec
it changes, what depends on them, and nothing else. What a job does not read does not enter its
spec, or with the same value in every study; hardware never does. A `recipe` number is raised by
hand when a job's code changes its results.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..study.data import Data
from ..study.diffusion import Diffusion
from ..study.distill import Distill, GuidedDistill
from ..study.family import Family, Size
from ..study.fields import Fraction, Guidance, Positive, Seed, Strict, is_none
from ..study.figures import Latency
from ..study.latents import Autoencoder, Downsampling, TextEncoder
from ..study.metrics import Clip, ClipLike, Extractor, InputSize, Metrics
from ..study.sampling import AnySampler, FixedSetting
from ..study.stitch import SEPARATOR
from ..study.superres import INCEPTION_SCORE, Degradation, Finetuning, Photos
from ..study.training import Training


def cell_name(
    steps: int, guidance: float, trained: float | None = None, allocation: str | None = None
) -> str:
    """The name of a cell within its (model, sampler), or within its sizes that are stitched."""
    kept = "" if trained in (None, 1) else f"_trained{trained:g}"
    stitched = f"_stitched{allocation}" if allocation else ""
    return f"steps{steps}_guidance{guidance:g}{kept}{stitched}"


class PrepareSpec(Strict):
    """Split the data and pack its images."""

    recipe: Literal[1] = 1
    seed: Seed
    data: Data


class PhotosSpec(Strict):
    """Cut a folder of photographs into crops."""

    recipe: Literal[1] = 1
    seed: Seed
    photos: Photos
    image_size: Positive


class DegradeSpec(Strict):
    """Make low-resolution versions of images."""

    recipe: Literal[1] = 1
    seed: Seed
    split: Literal["train", "validation"]
    degradation: Degradation
    count: Positive | None
    """the first images only; null: all"""


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
    stage: Annotated[str, Field(pattern=r"^(pretrain|budget_[\w.-]+)$")] = "pretrain"
    size: Size
    seed: Seed
    family: Family
    diffusion: Diffusion
    training: Training
    encoding: Annotated[EncodingSpec | None, Field(exclude_if=is_none)] = None
    """given if images and captions are encoded while training"""


class DistillSpec(Strict):
    """Distil one model into a student of few steps."""

    recipe: Literal[1] = 1
    stage: Literal["distill"] = "distill"
    size: Size
    seed: Seed
    diffusion: Diffusion
    distill: Distill
    encoding: Annotated[EncodingSpec | None, Field(exclude_if=is_none)] = None
    """given if images and captions are encoded while training"""

    @property
    def teacher_steps(self) -> int:
        """Levels of the teacher's grid, from which the student's are drawn."""
        return self.distill.teacher_steps


class GuidedDistillSpec(Strict):
    """Teach a student to take one step where its teacher takes two."""

    recipe: Literal[1] = 1
    size: Size
    seed: Seed
    diffusion: Diffusion
    steps: Positive
    """steps of this student"""
    guided_distill: GuidedDistill
    encoding: Annotated[EncodingSpec | None, Field(exclude_if=is_none)] = None
    """given if images and captions are encoded while training"""

    @property
    def stage(self) -> str:
        """Of the student."""
        return f"guided_distill{self.steps}"


class SuperResSpec(Strict):
    """Train one model for super-resolution, from a pretrained one or from scratch."""

    recipe: Literal[1] = 1
    stage: Literal["superres", "superres_scratch"]
    size: Size
    seed: Seed
    diffusion: Diffusion
    training: Finetuning
    family: Annotated[Family | None, Field(exclude_if=is_none)] = None
    """of a model from scratch"""
    encoding: Annotated[None, Field(exclude_if=is_none)] = None
    """nothing is encoded while training"""


class CellSpec(Strict):
    """Sample one cell: (model, sampler, steps, guidance)."""

    recipe: Literal[1] = 1
    sampler: AnySampler
    steps: Positive
    guidance: Guidance
    n: Positive
    seed: Seed
    extractor: Extractor
    input_size: InputSize
    clip: Annotated[Clip | None, Field(exclude_if=is_none)] = None
    trained: Annotated[Fraction | None, Field(exclude_if=is_none)] = None
    """of a kept checkpoint: its fraction of the training"""
    teacher_steps: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of sampler lcm: levels of the grid that its steps are drawn from"""
    perceptual: Annotated[str | None, Field(exclude_if=is_none)] = None
    """of super-resolution: the perceptual distance of each image to its original"""
    allocation: Annotated[list[Positive] | None, Field(exclude_if=is_none)] = None
    """of a stitched trajectory: the steps that each of its models takes"""

    @model_validator(mode="after")
    def _every_step_has_a_model(self) -> CellSpec:
        if self.allocation and sum(self.allocation) != self.steps:
            raise ValueError(f"allocation: adds up to {sum(self.allocation)}, not to steps")
        return self

    @property
    def allocated(self) -> str | None:
        """The allocation as it stands in names and tables, such as 2-6."""
        return SEPARATOR.join(map(str, self.allocation)) if self.allocation else None

    @property
    def name(self) -> str:
        """Of this cell within its (model, sampler), or within its sizes that are stitched."""
        return cell_name(self.steps, self.guidance, self.trained, self.allocated)

    @property
    def searched(self) -> str:
        """Of the search that finds its guidance: steps8, of stitched ones steps8_stitched2-6."""
        return f"steps{self.steps}" + (f"_stitched{self.allocated}" if self.allocation else "")


class SearchSpec(Strict):
    """Find the best guidance of each step count, or allocation of steps, with few images."""

    recipe: Literal[2] = 2
    candidates: list[CellSpec] = Field(min_length=1)
    """the cells of the whole grid"""
    look: Annotated[float, Field(gt=0, le=1)]
    """of n images: what is seen of each scale beside the best one, on average"""
    select_by: Literal["fd", "kid"]
    components: Positive | None
    """of the reference, on which fd is taken"""


class SweepSpec(Strict):
    """Sample all cells of one (model, sampler), those of the trained model first."""

    diffusion: Diffusion
    cells: list[CellSpec]
    search: Annotated[SearchSpec | None, Field(exclude_if=is_none)] = None
    """of an adaptive search: what finds further cells"""

    @property
    def possible(self) -> list[CellSpec]:
        """Every cell that may be sampled whole."""
        return [*self.cells, *(self.search.candidates if self.search else [])]


class SearchCostSpec(Strict):
    """Replay adaptive searches on cells of the whole grid."""

    recipe: Literal[2] = 2
    grids: dict[str, tuple[list[Positive], list[Guidance]]]
    """step counts and scales of each stage whose guidance is searched, ascending"""
    n: Positive
    look: Annotated[float, Field(gt=0, le=1)]
    select_by: Literal["fd", "kid"]
    metric: str
    """its name in tables"""
    components: Positive | None
    confidence: Annotated[float, Field(gt=0, lt=1)]


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
    select_by: str
    """the metric that chooses the guidance at each budget"""
    steps: list[Positive] = Field(min_length=1)
    """of the guidance search"""
    guidance: list[Guidance] = Field(min_length=1)
    """of the guidance search"""


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

    recipe: Literal[2] = 2
    seed: Seed
    n: Positive
    metrics: Metrics
    fidelity: Annotated[list[str] | None, Field(exclude_if=is_none)] = None
    """of super-resolution: metrics of each image and its original"""

    @property
    def names(self) -> list[str]:
        """Every metric of a cell, by its name."""
        own = self.fidelity or []
        score = [INCEPTION_SCORE] if own and self.metrics.extractor == "inception_v3" else []
        return [*self.metrics.names.values(), *own, *score]


class BaselinesSpec(FeaturesSpec):
    """Measure what super-resolution is compared with."""

    measure: MeasureSpec
    perceptual: str

    @property
    def n(self) -> int:
        """Images."""
        return self.measure.n


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
