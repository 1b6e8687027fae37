"""All sections of a study, each by itself valid."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr

from ..kinds.sizes import channels
from .adopted import Adopted
from .bias import Bias
from .candidates import Candidates
from .curriculum import CurriculumArms
from .data import Data
from .diffusion import Diffusion
from .distill import Arm, Distill, GuidedDistill
from .dreambooth import DreamBooth
from .family import Family
from .fields import Seed, Strict, is_none
from .figures import Figures, Latency
from .inversion import Inversion
from .latents import Latents
from .metrics import Metrics
from .param_budget import ParamBudget
from .sampling import Sampling
from .search import Search
from .stitch import Stitch
from .superres import SuperRes
from .training import Training

DEFAULT_STUDY = "pocket"
RESULT_FOLDERS = "data latents models cells tables figures work logs benchmarks"


def _new_folder(name: str) -> str:
    if name in RESULT_FOLDERS.split():
        raise ValueError(
            f"results/{name} is a folder of study {DEFAULT_STUDY}; choose another name"
        )
    return name


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), AfterValidator(_new_folder)]


class Sections(Strict):
    """One merged configuration."""

    name: Name
    """folder of the results below results/ (study pocket: results/ itself)"""
    seed: Seed
    """seed of the split and its order, the autoencoder's training and the bootstrap"""
    data: Data
    latents: Latents
    adopted: Annotated[Adopted | None, Field(exclude_if=is_none)] = None
    """pipelines that exist already; family, latents, diffusion and all that trains then mean
    nothing. null: the study trains its models"""
    family: Family
    diffusion: Diffusion
    training: Training
    distill: Distill | None = None
    """consistency distillation of every size; null: none"""
    guided_distill: GuidedDistill | None = None
    """progressive distillation of some sizes; null: none"""
    superres: SuperRes | None = None
    """four-fold super-resolution, fine-tuned from every size; null: none"""
    dreambooth: DreamBooth | None = None
    """subjects that sizes learn; null: none"""
    stitch: Stitch | None = None
    """trajectories that one size begins and others end; null: none"""
    param_budget: ParamBudget | None = None
    """text encoders of several sizes, each with U-Nets of several sizes; null: none"""
    curriculum: Annotated[CurriculumArms | None, Field(exclude_if=is_none)] = None
    """sizes that are trained by a curriculum too, in both orders; null: none"""
    bias: Annotated[Bias | None, Field(exclude_if=is_none)] = None
    """shares of tones in images of captions that name none; null: none are measured"""
    candidates: Candidates | None = None
    """several images of each prompt; a score keeps one; null: each image is kept"""
    inversion: Annotated[Inversion | None, Field(exclude_if=is_none)] = None
    """initial noise of one-step students that is made for a score; null: none"""
    sampling: Sampling
    search: Search
    metrics: Metrics
    latency: Latency
    figures: Figures
    _results: str | None = PrivateAttr(None)

    @property
    def results(self) -> str:
        """Folder of this study's results."""
        own = "results" if self.name == DEFAULT_STUDY else f"results/{self.name}"
        return self._results or own

    def with_results(self, folder: str) -> Self:
        """The same study with another folder of results, of a workflow that includes this one."""
        study = self.model_copy()
        study._results = folder
        return study

    @property
    def searches(self) -> bool:
        """Whether guidance is searched adaptively."""
        return self.search.method == "adaptive"

    @property
    def chooses_guidance(self) -> bool:
        """Whether models of a stage have several guidance scales, so that one is to be chosen."""
        scales = [self.sampling.guidance]
        if self.distill or self.guided_distill:
            scales.append(self.sampling.students.guidance)
        return max(map(len, scales)) > 1

    @property
    def has_every_scale(self) -> bool:
        """Whether guidance is chosen among scales that are all sampled whole."""
        return self.chooses_guidance and not self.searches

    @property
    def trains(self) -> bool:
        """Whether it trains its models."""
        return self.adopted is None

    @property
    def has_students(self) -> bool:
        """Whether there are students of few steps beside the models that they learned from."""
        return bool(self.adopted.students if self.adopted else self.distill)

    @property
    def arms(self) -> dict[str, Arm] | None:
        """The arms of stochastic distillation, by their names; None if there are none."""
        return self.distill.stochastic if self.distill else None

    @property
    def compares_with_training(self) -> bool:
        """Whether held-out images can be compared with those that models were trained on."""
        return self.trains and self.data.is_packed

    @property
    def compares_with_images(self) -> bool:
        """Whether models' images can be compared with real ones, and not with prompts alone."""
        return self.data.has_images

    @property
    def compares_metrics(self) -> bool:
        """Whether there are several metrics, whose rankings can be compared."""
        return len(self.metrics.names) > 1

    @property
    def sizes(self) -> list[str]:
        """The models that are compared: sizes of the family, or names of adopted models."""
        if self.adopted is None:
            return self.family.sizes
        return [model.name for model in self.adopted.compared]

    @property
    def training_seeds(self) -> list[int]:
        """The training seeds of every size; an adopted model counts as of seed 0."""
        return self.training.seeds if self.adopted is None else [0]

    @property
    def guidance_sizes(self) -> list[str]:
        """Sizes whose images at every guidance scale are drawn."""
        ends = [self.sizes[0], self.sizes[-1]]
        if self.adopted is None:
            ends = [choose(self.sizes, key=channels) for choose in (min, max)]
        return self.figures.guidance_sizes or list(dict.fromkeys(ends))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image's latents."""
        autoencoder = self.latents.autoencoder
        side = self.data.image_size // autoencoder.downsampling
        return autoencoder.latent_channels, side, side

    @property
    def text_shape(self) -> tuple[int, int]:
        """Tokens and width of a caption's embedding."""
        return self.latents.text_encoder.max_tokens, self.latents.text_encoder.width
