"""The section `sampling` of a study: the settings at which models are sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from ..kinds.samplers import OF_ADOPTED, SAMPLERS, UNDISTILLED
from ..kinds.schedules import RECIPES, SCHEDULES
from .fields import Distinct, Guidance, Positive, Seed, Strict, is_none, one_of

Sampler = Annotated[str, one_of([*UNDISTILLED, *OF_ADOPTED])]
TrainedSampler = Annotated[str, one_of(UNDISTILLED)]
AnySampler = Annotated[str, one_of(SAMPLERS)]
Schedule = Annotated[str, one_of(SCHEDULES)]
SCHEDULE_RECIPE = Field(
    default_factory=lambda known: RECIPES.get(known.get("schedule") or ""), exclude_if=is_none
)
"""a field beside `schedule`: its number in the registry, if its levels have ever changed"""
FEWEST_IMAGES = 16
"""images of a cell; fewer give no useful interval"""


def at_most(steps: Iterable[int], caps: Mapping[str, int] | None, *names: str) -> list[int]:
    """The step counts, ascending, that no cap of one of these names forbids."""
    most = [caps[name] for name in names if name in caps] if caps else []
    return sorted(count for count in steps if all(count <= cap for cap in most))


class FixedSetting(Strict):
    """Setting of every kept checkpoint, and of the comparison of sizes as in Table 1."""

    sampler: Sampler
    """one of sampling.samplers"""
    steps: Positive
    """denoising steps; they need not be in the grid"""
    guidance: Guidance
    """classifier-free guidance scale; it need not be in the grid"""


class Setting(FixedSetting):
    """A setting as a job samples it."""

    schedule: Schedule
    """where its steps lie"""
    schedule_recipe: int | None = SCHEDULE_RECIPE


class StudentSampling(Strict):
    """The grid of cells of distilled models."""

    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps; a step is one forward pass at any guidance"""
    guidance: Annotated[list[Guidance], Distinct] = Field(min_length=1)
    """guidance scales that students are told; they must have learned them"""


class Sampling(Strict):
    """The grid of cells. Every combination is sampled and measured once."""

    n: Annotated[int, Field(ge=FEWEST_IMAGES)]
    """images of a cell; the prompts are the first n test captions"""
    samplers: Annotated[list[Sampler], Distinct] = Field(min_length=1)
    """ddim, ddpm (ancestral) or dpmpp (DPM-Solver++ 2M); figures of one sampler draw the first"""
    schedule: Schedule
    """where the steps of a solver lie among the noise levels"""
    other_schedules: Annotated[list[Schedule], Distinct] | None = Field(default=None, min_length=1)
    """schedules on which the cells of the first sampler are sampled too; null: none"""
    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps"""
    most_steps: dict[str, Positive] | None = Field(default=None, min_length=1)
    """the most of `steps` that a size or a sampler takes, by its name; null: all take all"""
    guidance: Annotated[list[Guidance], Distinct] = Field(min_length=1)
    """classifier-free guidance scales; 1 is off and costs one forward pass a step"""
    fixed: FixedSetting
    """setting of every kept checkpoint, and of the comparison of sizes as in Table 1"""
    seed: Seed = 0
    """seed of the initial noise; image i has the same noise in every cell"""
    students: StudentSampling
    """grid of distilled models"""

    @property
    def setting(self) -> Setting:
        """The fixed setting, on the study's schedule."""
        return Setting(**self.fixed.model_dump(), schedule=self.schedule)

    def steps_of(self, *names: str) -> list[int]:
        """The step counts, ascending, that all of these sizes and samplers take."""
        return at_most(self.steps, self.most_steps, *names)

    @model_validator(mode="after")
    def _other_schedules_are_others(self) -> Sampling:
        if self.schedule in (self.other_schedules or []):
            raise ValueError(f"other_schedules: {self.schedule} is sampling.schedule; remove it")
        return self

    @model_validator(mode="after")
    def _fixed_sampler_is_one_of_them(self) -> Sampling:
        if self.fixed.sampler not in self.samplers:
            raise ValueError(f"fixed: sampler {self.fixed.sampler} is not in sampling.samplers")
        return self
