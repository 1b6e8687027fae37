"""The section `family` of a study: the sizes, and what they have in common."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from ..kinds.architectures import ARCHITECTURES, UNET
from ..kinds.sizes import SIZE_PATTERN, channels
from .fields import Positive, Strict, one_of

Size = Annotated[str, Field(pattern=SIZE_PATTERN)]


class Layout(Strict):
    """What the networks of a family have in common, for U-Nets as Stable Diffusion builds them."""

    architecture: Annotated[
        str, one_of(ARCHITECTURES), Field(exclude_if=lambda name: name == UNET)
    ] = UNET
    """which network denoises; the default is Stable Diffusion's U-Net"""
    channel_multipliers: list[Positive] = Field(min_length=2)
    """channels of each level, as multiples of the base channels"""
    res_blocks: Positive
    """residual blocks of a level on the way down (one more on the way up)"""
    attention: list[bool] = Field(min_length=2)
    """whether each level has transformer blocks, highest resolution first"""
    heads: Positive
    """attention heads in every transformer block"""
    norm_groups: Positive
    """groups of every group normalization; must divide the base channels"""

    @model_validator(mode="after")
    def _check_levels(self) -> Layout:
        if len(self.attention) != len(self.channel_multipliers):
            raise ValueError("attention: must have as many entries as channel_multipliers")
        return self


class Members(Strict):
    """The sizes of a family."""

    sizes: list[Size] = Field(min_length=1)
    """sizes of the family; of U-Nets c and the base channel count, such as c48"""
    reference_size: Size
    """size whose forward pass has normalized cost 1"""


class Family(Layout, Members):
    """Networks of one architecture that differ only in their size."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Family:
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError("sizes: a size is listed twice; remove one")
        if self.reference_size not in self.sizes:
            raise ValueError(
                f"reference_size: {self.reference_size} is not in sizes ({', '.join(self.sizes)})"
            )
        own = ARCHITECTURES[self.architecture]
        for size in self.sizes:
            if not re.fullmatch(own.size, size):
                raise ValueError(f"sizes: {size} is not a size of architecture {own.name}")
            for name in own.divisors:
                if channels(size) % (divisor := getattr(self, name)):
                    raise ValueError(
                        f"sizes: the channels of {size} must be a multiple of {name} ({divisor})"
                    )
        return self
