"""Curricula over noise levels: what `training.curriculum` and the section `curriculum` may say.

Denoising Task Difficulty-based Curriculum (Kim et al., https://arxiv.org/abs/2403.10348): noise
levels are divided into clusters, which enter the training one after the other.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..kinds.stages import CURRICULUM_ORDERS
from .fields import Distinct, OwnSeeds, Strict, one_of

Order = Annotated[str, one_of(CURRICULUM_ORDERS)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Patience(Strict):
    """The next cluster enters when the loss has stopped falling (algorithm 1 of the paper).

    Lengths are shares of the run: steps that suit one run end another one before all noise levels
    are in.
    """

    share: Share
    """share of the run without progress after which the next cluster enters"""
    threshold: Annotated[float, Field(ge=0, lt=1)]
    """relative fall of the smoothed loss below the best one of the stage that counts as progress"""
    half_life: Share
    """half-life of the smoothed loss, as a share of the run"""


class Clusters(Strict):
    """Clusters of noise levels, and when they enter."""

    clusters: Annotated[int, Field(ge=2)]
    """how many; they accumulate, and after the last one all noise levels are trained alike"""
    by: Literal["timesteps", "snr"] = "timesteps"
    """what is equal of all clusters: the number of timesteps, or the range of log SNR"""
    share: Share | None = None
    """share of the run at which the last cluster enters, all stages being equally long; null:
    `patience` decides"""
    patience: Patience | None = None
    """when a cluster enters by the loss; null: `share` decides"""

    @model_validator(mode="after")
    def _has_one_pacing(self) -> Clusters:
        if (self.share is None) == (self.patience is None):
            raise ValueError("share: give either share or patience, and set the other to null")
        return self


class Curriculum(Clusters):
    """The curriculum of a training."""

    order: Order
    """easy_to_hard: the noisiest levels first, as in the paper; hard_to_easy: a control"""

    def begins(self, steps: int) -> list[int] | None:
        """The optimiser steps at which stages begin in a run of so many; None by patience."""
        if self.share is None:
            return None
        stages = range(self.clusters)
        return [math.floor(self.share * steps * stage / (self.clusters - 1)) for stage in stages]


class CurriculumArms(Clusters):
    """Sizes that are trained by a curriculum too, in both orders, in all else as pretrained."""

    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes that are compared; null: all"""
    seeds: OwnSeeds = None
    """those of training.seeds that are compared; null: all"""

    def of_order(self, order: str) -> Curriculum:
        """The curriculum of one arm."""
        return Curriculum(order=order, **dict(Clusters.part_of(self)))
