"""The section `sampling` of a study: at which settings models are sampled.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..kinds.samplers import SAMPLERS, UNDISTILLED
from .fields import Distinct, Guidance, Positive, Seed, Strict, one_of

Sampler = Annotated[str, one_of(UNDISTILLED)]
AnySampler = Annotated[str, one_of(SAMPLERS)]
FEWEST_IMAGES = 16
"""images of a cell; fewer give no useful interval"""


class FixedSetting(Strict):
    """The setting at which every kept checkpoint is measured, and sizes compared as in Table 1."""

    sampler: Sampler
    """one of sampling.samplers"""
    steps: Positive
    """denoising steps, of the grid or not"""
    guidance: Guidance
    """classifier-free guidance scale, of the grid or not"""


class StudentSampling(Strict):
    """The grid of cells of distilled models."""

    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps; each costs one forward pass at any guidance"""
    guidance: Annotated[list[Guidance], Distinct] = Field(min_length=1)
    """scales that students are told, of those that they have learned"""


class Sampling(Strict):
    """The grid of cells: every combination is sampled and measured once."""

    n: Annotated[int, Field(ge=FEWEST_IMAGES)]
    """images a cell; prompts are the first n test captions"""
    samplers: Annotated[list[Sampler], Distinct] = Field(min_length=1)
    """ddim, ddpm (ancestral) or dpmpp (DPM-Solver++ 2M); figures of one sampler draw the first"""
    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps"""
    guidance: Annotated[list[Guidance], Distinct] = Field(min_length=1)
    """classifier-free guidance scales; 1 is off and costs one forward"""
    fixed: FixedSetting
    """setting at which every kept checkpoint is measured, and sizes are compared as in Table 1"""
    seed: Seed = 0
    """of the initial noise; image i has the same noise in every cell"""
    students: StudentSampling
    """the grid of distilled models"""

    @model_validator(mode="after")
    def _fixed_sampler_is_one_of_them(self) -> Sampling:
        if self.fixed.sampler not in self.samplers:
            raise ValueError(f"fixed: sampler {self.fixed.sampler} is not in sampling.samplers")
        return self
