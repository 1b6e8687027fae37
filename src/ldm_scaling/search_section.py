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
    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """most of the grid's images that an adaptive search samples, where that is enough for one"""
