"""The section `search` of a study: how the best guidance is found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .fields import Strict


class Search(Strict):
    """How the best guidance scale of each (model, sampler, steps) is found."""

    method: Literal["grid", "adaptive"] = "adaptive"
    """grid: n images at every scale; adaptive: few images of most scales, n at the lowest"""
    look: Annotated[float, Field(gt=0, le=1)] = 0.17
    """share of n: images of each scale except the best that an adaptive search sees, on average, at
    most"""
