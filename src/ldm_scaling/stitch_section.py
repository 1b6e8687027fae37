"""The section `stitch` of a study: trajectories that one size begins and others end.

T-Stitch (Pan et al., arXiv 2402.14167): a small model takes the noisiest steps and a large one the
rest, without any training. Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .fields import Distinct, Positive, Strict
from .sampling_section import Sampler

if TYPE_CHECKING:
    from .study import Study

SEPARATOR = "-"
"""between sizes of a trajectory, and between their steps: c20-c48 with 2-6"""
Share = Annotated[float, Field(gt=0, lt=1)]
Sizes = Annotated[list[str], Distinct, Field(min_length=2, max_length=3)]


class Stitch(Strict):
    """Stitched trajectories of pretrained models, at the guidance scales of `sampling`."""

    sizes: Annotated[list[Sizes], Field(min_length=1)] | None = None
    """each two or three sizes in the order in which they denoise; those that do not rise are the
    control; null: the second smallest with each larger one, in both orders"""
    shares: Annotated[list[Share], Distinct] = Field(min_length=1)
    """of the steps, after which the next size takes over; of three sizes every rising pair"""
    steps: Annotated[list[Positive], Distinct, Field(min_length=1)] | None = None
    """denoising steps; null: sampling.steps"""
    sampler: Sampler | None = None
    """one of sampling.samplers; null: the first"""


def allocations(steps: int, shares: list[float], sizes: int) -> list[tuple[int, ...]]:
    """The steps that each of so many sizes takes, for every rising choice of shares.

    A share becomes the nearest whole number of steps, a half the larger one. What leaves a size
    without a step is no stitched trajectory, and what is the same after rounding stands once.
    """
    cuts = sorted({math.floor(share * steps + 0.5) for share in shares} - {0, steps})
    chosen = combinations(cuts, sizes - 1)
    return [tuple(b - a for a, b in pairwise((0, *inner, steps))) for inner in chosen]


def sequences(study: Study) -> list[list[str]]:
    """The sizes of each stitched trajectory, in the order in which they denoise.

    Without a list it is the second smallest size, or the smaller of two, before each larger one,
    and then all of these the other way round.
    """
    if study.stitch is None:
        return []
    if study.stitch.sizes:
        return study.stitch.sizes
    rising = sorted(study.family.sizes, key=lambda size: int(size[1:]))
    small, *larger = rising[1:] if len(rising) > 2 else rising
    pairs = [[small, large] for large in larger]
    return [*pairs, *(pair[::-1] for pair in pairs)]


def with_trajectories(study: Study) -> Study:
    """The study, without the section where there is one size only and it names no sizes.

    Raises ValueError, naming the key, if the section does not fit the others.
    """
    stitch, listed = study.stitch, sequences(study)
    if stitch is None:
        return study
    if not listed:
        return study.model_copy(update={"stitch": None})
    named = [SEPARATOR.join(sizes) for sizes in listed]
    if twice := [name for name in named if named.count(name) > 1]:
        raise ValueError(f"stitch.sizes: {twice[0]} stands twice")
    if unknown := {size for sizes in listed for size in sizes} - set(study.family.sizes):
        raise ValueError(f"stitch.sizes: {min(unknown)} is not in family.sizes")
    steps = stitch.steps or study.sampling.steps
    for sizes, name in zip(listed, named, strict=True):
        if not any(allocations(count, stitch.shares, len(sizes)) for count in steps):
            raise ValueError(f"stitch.shares: leave a size of {name} without a step, at any steps")
    if max(steps) > study.diffusion.train_timesteps:
        raise ValueError("stitch.steps: more steps than diffusion.train_timesteps")
    if stitch.sampler and stitch.sampler not in study.sampling.samplers:
        raise ValueError(f"stitch.sampler: {stitch.sampler} is not in sampling.samplers")
    return study
