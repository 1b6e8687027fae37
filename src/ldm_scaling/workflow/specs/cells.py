"""The specs of jobs that sample cells, or images that no cell has."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...kinds.cells import cell_name
from ...kinds.metrics import METRICS
from ...kinds.noises import NAME
from ...kinds.samplers import NATIVE, OF_STUDENTS
from ...kinds.sizes import SEPARATOR
from ...study.adopted import AdoptedModel
from ...study.diffusion import Diffusion
from ...study.fields import Fraction, Guidance, Positive, Seed, Strict, StudyError, is_none
from ...study.inversion import Ascent
from ...study.metrics import Judge, Selecting
from ...study.sampling import SCHEDULE_RECIPE, AnySampler, Schedule, Setting
from ...study.stitch import allocations
from ...study.study import Study
from .. import needed, searches, stages
from .seen import ScoreSpec, SeenBy, seen_by, seen_by_first


class CellSpec(SeenBy):
    """Sample one cell: (model, sampler, schedule, steps, guidance)."""

    recipe: Literal[1] = 1
    sampler: AnySampler
    steps: Positive
    guidance: Guidance
    n: Positive
    seed: Seed
    trained: Annotated[Fraction | None, Field(exclude_if=is_none)] = None
    """of a kept checkpoint: its fraction of the training"""
    schedule: Annotated[Schedule | None, Field(exclude_if=is_none)] = None
    """where its steps lie; samplers lcm and native have lists of their own"""
    schedule_recipe: int | None = SCHEDULE_RECIPE
    teacher_steps: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of sampler lcm: levels of the grid that its steps are drawn from"""
    perceptual: Annotated[str | None, Field(exclude_if=is_none)] = None
    """of super-resolution: the perceptual distance of each image to its original"""
    allocation: Annotated[list[Positive] | None, Field(exclude_if=is_none)] = None
    """of a stitched trajectory: the steps that each of its models takes"""
    noise: Annotated[str | None, Field(pattern=f"^({NAME})$", exclude_if=is_none)] = None
    """of inversion: where the initial noise comes from"""
    ascent: Annotated[Ascent | None, Field(exclude_if=is_none)] = None
    """how its noise is made for each image"""
    verifier: Annotated[ScoreSpec | None, Field(exclude_if=is_none)] = None
    """the score that it is made for"""
    judge: Annotated[Judge | None, Field(exclude_if=is_none)] = None
    """the score that judges its images"""

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
        """Name of this cell within its (model, sampler), or within its stitched sizes."""
        return cell_name(self.steps, self.guidance, self.trained, self.allocated, noise=self.noise)

    @property
    def searched(self) -> str:
        """Name of the search that finds its guidance: steps8, or steps8_stitched2-6 if stitched."""
        return f"steps{self.steps}" + (f"_stitched{self.allocated}" if self.allocation else "")

    @classmethod
    def of(
        cls,
        study: Study,
        stage: str,
        sampler: str,
        steps: int,
        guidance: float,
        *,
        trained: float | None = None,
        allocation: tuple[int, ...] | None = None,
        schedule: str | None = None,
    ) -> CellSpec:
        """Spec of a stage's cell, on the study's schedule unless another is given.

        Super-resolution has its own images and no captions.
        """
        sampling, metrics = study.sampling, study.metrics
        superres = needed.superres(study) if stages.is_superres(stage) else None
        has_own = sampler in (*OF_STUDENTS, NATIVE)
        return cls(
            sampler=sampler,
            steps=steps,
            guidance=guidance,
            n=superres.n if superres else sampling.n,
            seed=sampling.seed,
            **(seen_by_first if superres else seen_by)(metrics),
            trained=trained,
            schedule=None if has_own else schedule or sampling.schedule,
            teacher_steps=needed.distill(study).teacher_steps if sampler in OF_STUDENTS else None,
            perceptual=superres.perceptual if superres else None,
            allocation=list(allocation) if allocation else None,
        )


class SearchSpec(Strict):
    """Find the best guidance of each step count, or allocation of steps, with few images."""

    recipe: Literal[3] = 3
    candidates: list[CellSpec] = Field(min_length=1)
    """the cells of the whole grid"""
    look: Annotated[float, Field(gt=0, le=1)]
    """of n images: what is seen of each scale beside the best one, on average, at most"""
    select_by: Selecting
    components: Positive | None
    """of the reference, on which fd is taken"""

    @property
    def compares(self) -> bool:
        """Whether a search compares features with those of real images; else it takes scores."""
        return METRICS[self.select_by].compares

    @classmethod
    def of(cls, study: Study, candidates: list[CellSpec]) -> SearchSpec:
        """Spec of the study's guidance search among these cells."""
        return cls(
            candidates=candidates,
            look=study.search.look,
            select_by=study.metrics.select_by,
            components=study.metrics.components,
        )


class SweepSpec(Strict):
    """Sample all cells of one (model, sampler), those of the trained model first."""

    diffusion: Annotated[Diffusion | None, Field(exclude_if=is_none)] = None
    """process of a trained model"""
    pipeline: Annotated[AdoptedModel | None, Field(exclude_if=is_none)] = None
    """the adopted model"""
    side: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of an adopted model: pixels a side to which its images are resized"""
    cells: list[CellSpec]
    search: Annotated[SearchSpec | None, Field(exclude_if=is_none)] = None
    """of an adaptive search: what finds further cells"""

    @property
    def possible(self) -> list[CellSpec]:
        """Every cell that may be sampled whole."""
        return [*self.cells, *(self.search.candidates if self.search else [])]

    @classmethod
    def of(cls, study: Study, stage: str, name: str, size: str = "") -> SweepSpec:
        """Spec of rule sweep, for a sampler: one cell for each (steps, guidance), few steps first.

        With a size, the cells that this size takes; without one, all that some size may take.

        The name of its cells on another schedule gives these cells and no others. With the fixed
        setting's sampler, pretrained models also have the fixed setting, if it is not in the grid,
        and that setting at every kept checkpoint. Those of a curriculum have no checkpoints.
        Super-resolution does so with its own setting.
        """
        sampler = searches.sampler_of(name)
        other = searches.on_other_schedules(study).get(name)
        if name != sampler and not (other and stage == stages.PRETRAIN):
            raise StudyError(f"stage {stage} has no {name}; its cells stand under {sampler}")
        own, student = stages.student_sampler(study), stages.is_consistency(stage)
        if (student and sampler != own) or (not student and sampler in OF_STUDENTS):
            raise StudyError(
                f"stage {stage} is not sampled by {sampler}: {own} is for {stages.DISTILL}"
            )
        fixed, allowed = study.sampling.fixed, stages.grid(study, stage, size, sampler)
        grid = list(product(*allowed))
        cells = [CellSpec.of(study, stage, sampler, *setting, schedule=other) for setting in grid]
        if other:
            return cls._searched(study, stage, size, cells, *allowed)
        setting: tuple[int, float] | None = None
        kept: list[float] = []
        if stages.is_superres(stage):
            own = needed.superres(study)
            setting, kept = (own.fixed_steps, 1.0), own.keep
        elif stages.is_pretrained(stage) and sampler == fixed.sampler:
            setting = (fixed.steps, stages.fixed_guidance(study, size))
            kept = study.training.keep if study.trains and stage == stages.PRETRAIN else []
        if setting:
            times = [*([] if setting in grid else [None]), *sorted(kept)]
            cells += [CellSpec.of(study, stage, sampler, *setting, trained=at) for at in times]
        return cls._searched(study, stage, size, cells, *allowed)

    @classmethod
    def _searched(
        cls,
        study: Study,
        stage: str,
        size: str,
        cells: list[CellSpec],
        steps: list[int],
        scales: list[float],
    ) -> SweepSpec:
        """Spec of a sweep of these cells, with a guidance search if the study asks for one.

        The search leaves out kept checkpoints, and the parameter budget's pairs, which have one
        step count. The fixed setting is always sampled.
        """
        sampled = _sampled_with(study, stage, size)
        if not study.searches or len(scales) == 1 or stages.is_budget(stage):
            return cls(**sampled, cells=cells)

        def is_candidate(cell: CellSpec) -> bool:
            return cell.trained is None and cell.steps in steps and cell.guidance in scales

        candidates = [cell for cell in cells if is_candidate(cell)]
        fixed = _fixed(study, stage, size)
        whole = [cell for cell in cells if not is_candidate(cell) or cell == fixed]
        search = SearchSpec.of(study, candidates)
        return cls(**sampled, cells=whole, search=search)

    @classmethod
    def of_stitched(cls, study: Study, sizes: str, name: str | None = None) -> SweepSpec:
        """Spec of rule sample_stitched: the cells of sizes such as c20-c48, few steps first.

        The guidance of each allocation of steps is found as for single sizes. Raises StudyError if
        the study samples them by another sampler than `name`.
        """
        settings, sampling = needed.stitch(study), study.sampling
        sampler, names = stages.stitched_sampler(study), sizes.split(SEPARATOR)
        if name not in (None, sampler):
            raise StudyError(
                f"config key stitch.sampler: trajectories are sampled by {sampler}, not by {name}"
            )
        cells = [
            CellSpec.of(study, stages.STITCH, sampler, steps, guidance, allocation=allocation)
            for steps in sorted(settings.steps or sampling.steps_of(*names, sampler))
            for allocation in allocations(steps, settings.shares, len(names))
            for guidance in sorted(sampling.guidance)
        ]
        if study.searches and len(sampling.guidance) > 1:
            search = SearchSpec.of(study, cells)
            return cls(diffusion=study.diffusion, cells=[], search=search)
        return cls(diffusion=study.diffusion, cells=cells)


def _sampled_with(study: Study, stage: str, size: str) -> dict[str, Any]:
    """What a spec says of the model that it samples: a process, or a pipeline and a side."""
    if study.trains:
        return {"diffusion": study.diffusion}
    pipeline = stages.adopted(study, stage, size) if size else None
    return {"pipeline": pipeline, "side": study.data.image_size}


def _fixed(study: Study, stage: str, size: str) -> CellSpec | None:
    """The cell of the fixed setting, of a pretrained model."""
    if not stages.is_pretrained(stage):
        return None
    fixed = study.sampling.fixed
    return CellSpec.of(study, stage, fixed.sampler, fixed.steps, stages.fixed_guidance(study, size))


class IllustrateSpec(Strict):
    """Sample the few images of one model that no cell has."""

    recipe: Literal[1] = 1
    stage: Literal["pretrain"] = "pretrain"
    size: str
    training_seed: Seed
    diffusion: Annotated[Diffusion | None, Field(exclude_if=is_none)] = None
    """process of a trained model"""
    pipeline: Annotated[AdoptedModel | None, Field(exclude_if=is_none)] = None
    """the adopted model"""
    side: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of an adopted model: pixels a side to which its images are resized"""
    setting: Setting
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

    @classmethod
    def of(cls, study: Study, size: str, seed: int) -> IllustrateSpec:
        """Spec of rule illustrate, for the model of a training seed."""
        sampling, figures, metrics = study.sampling, study.figures, study.metrics
        scale = stages.fixed_guidance(study, size)
        return cls(
            size=size,
            training_seed=seed,
            **_sampled_with(study, stages.PRETRAIN, size),
            setting=sampling.setting.model_copy(update={"guidance": scale}),
            seed=sampling.seed,
            prompts=figures.prompts,
            budgets=sorted(figures.budgets),
            select_by=metrics.selecting,
            steps=stages.grid(study, stages.PRETRAIN, size, sampling.fixed.sampler)[0],
            guidance=stages.grid(study, stages.PRETRAIN, size, sampling.fixed.sampler)[1],
        )
