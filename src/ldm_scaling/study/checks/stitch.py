"""Checks of section `stitch` against the rest of a study."""

from __future__ import annotations

from typing import TypeVar

from ...kinds.sizes import SEPARATOR, channels
from ..sections import Sections
from ..stitch import allocations
from .shared import check_sizes, check_steps

Whole = TypeVar("Whole", bound=Sections)


def with_trajectories(study: Whole) -> Whole:
    """The study, without the section `stitch` if it names no sizes and the family has only one.

    Raises ValueError, naming the key, if the section does not fit the others.
    """
    stitch, listed = study.stitch, sequences(study)
    if stitch is None:
        return study
    if not listed:
        return study.model_copy(update={"stitch": None})
    named = [SEPARATOR.join(sizes) for sizes in listed]
    if twice := [name for name in named if named.count(name) > 1]:
        raise ValueError(f"stitch.sizes: {twice[0]} is listed twice; remove one")
    check_sizes(study, "stitch.sizes", {size for sizes in listed for size in sizes})
    steps = stitch.steps or study.sampling.steps
    for sizes, name in zip(listed, named, strict=True):
        if not any(allocations(count, stitch.shares, len(sizes)) for count in steps):
            raise ValueError(
                f"stitch.shares: a size of {name} has no step at any number of steps; change shares"
            )
    check_steps(study, "stitch.steps", steps)
    if stitch.sampler and stitch.sampler not in study.sampling.samplers:
        raise ValueError(f"stitch.sampler: {stitch.sampler} is not in sampling.samplers")
    return study


def sequences(study: Sections) -> list[list[str]]:
    """The sizes of each stitched trajectory, in the order in which they denoise.

    Without a list, each size except the smallest comes before the largest. With two sizes it is the
    smaller one. The control is the largest before the second largest.
    """
    if study.stitch is None:
        return []
    if study.stitch.sizes:
        return study.stitch.sizes
    rising = sorted(study.family.sizes, key=channels)
    smaller = rising[1:-1] or rising[:-1]
    pairs = [[size, rising[-1]] for size in smaller]
    return pairs + [pair[::-1] for pair in pairs[-1:]]
