"""The section `param_budget` of a study: text encoders of several sizes crossed with U-Nets.

With a fixed number of parameters, should the text encoder have more of them?
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from pydantic import Field, model_validator

from .fields import Distinct, Guidance, OwnSeeds, Positive, Strict, is_none
from .latents import PublishedEncoder


class BudgetEncoder(PublishedEncoder):
    """A text encoder of the comparison."""

    layers: Annotated[int | None, Field(ge=0, exclude_if=is_none)] = None
    """number of first layers to keep; 0: only embeddings of words and positions; null: all"""
    width: Positive
    """channels of an embedding; must be the encoder's own"""

    @property
    def name(self) -> str:
        """Name in paths and tables: the last part of `pretrained`, and the layers if not all."""
        cut = "" if self.layers is None else f"-layers{self.layers}"
        return f"{PurePath(self.pretrained).name}{cut}"


class ParamBudget(Strict):
    """A U-Net for each pair of a text encoder and a size, all trained in the same way."""

    text_encoders: list[BudgetEncoder] = Field(min_length=2)
    """text encoders; each is combined with every U-Net"""
    sizes: Annotated[list[str], Distinct, Field(min_length=1)]
    """U-Nets, as in family.sizes, or other widths of the same shape"""
    images: Positive
    """images seen by each U-Net; batch, learning rate and other keys are those of `training`"""
    warmup_images: Annotated[int, Field(ge=0)]
    """images of linear warm-up"""
    ema_images: Positive
    """half-life of the averaged weights, in images"""
    steps: Positive
    """denoising steps of the cells"""
    guidance: Annotated[list[Guidance], Distinct, Field(min_length=1)]
    """guidance scales of the cells; each pair uses its best one"""
    seeds: OwnSeeds = None
    """those of training.seeds that pairs are trained with; null: all"""

    @model_validator(mode="after")
    def _check(self) -> ParamBudget:
        names = [encoder.name for encoder in self.text_encoders]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"text_encoders: {twice[0]} is listed twice; remove one")
        if self.warmup_images >= self.images:
            raise ValueError("warmup_images: must be smaller than images")
        return self
