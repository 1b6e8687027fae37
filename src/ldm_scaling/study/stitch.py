"""The section `stitch` of a study: trajectories that one size begins and others end.

T-Stitch (Pan et al., arXiv 2402.14167): a small model takes the noisiest steps and a large one the
rest, without any training.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import Annotated

from pydantic import Field

from .fields import Distinct, OwnSeeds, Positive, Strict
from .sampling import TrainedSampler

Share = Annotated[float, Field(gt=0, lt=1)]
Sizes = Annotated[list[str], Distinct, Field(min_length=2, max_length=3)]


class Stitch(Strict):
    """Stitched trajectories of pretrained models, at the guidance scales of `sampling`."""

    sizes: Annotated[list[Sizes], Field(min_length=1)] | None = None
    """lists of two or three sizes in the order in which they denoise; an order that does not rise
    is a control. null: each size except the smallest before the largest, and the last reversed"""
    shares: Annotated[list[Share], Distinct] = Field(min_length=1)
    """share of the steps after which the next size takes over; three sizes take all rising pairs"""
    steps: Annotated[list[Positive], Distinct, Field(min_length=1)] | None = None
    """denoising steps; null: sampling.steps"""
    sampler: TrainedSampler | None = None
    """one of sampling.samplers; null: the first"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models are stitched; null: all"""


def allocations(steps: int, shares: list[float], sizes: int) -> list[tuple[int, ...]]:
    """Steps of each of `sizes` sizes, for every rising choice of shares.

    A share is rounded to whole steps, and a half is rounded up. Choices that leave a size without
    a step are left out. Choices that are equal after rounding appear once.
    """
    cuts = sorted({math.floor(share * steps + 0.5) for share in shares} - {0, steps})
    chosen = combinations(cuts, sizes - 1)
    return [tuple(b - a for a, b in pairwise((0, *inner, steps))) for inner in chosen]
