"""The section `search` of a study: how the best guidance is found.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .fields import Strict


class Search(Strict):
    """How the best guidance of each (model, sampler, steps) is found among the study's scales."""

    method: Literal["grid", "adaptive"] = "adaptive"
    """grid samples n images at every scale; adaptive looks at few and samples n at the finalists"""
    look: Annotated[float, Field(gt=0, le=1)] = 0.11
    """of n images: what an adaptive search sees of each scale beside the best one, on average"""
