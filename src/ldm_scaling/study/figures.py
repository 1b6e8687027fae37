"""The sections `figures` and `latency` of a study."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .family import Size
from .fields import Distinct, Positive, Strict

SHEET_IMAGES = 32
"""images of a cell whose pixels are kept"""


class Figures(Strict):
    """What figures show."""

    budgets: Annotated[list[Annotated[float, Field(gt=0)]], Distinct] = Field(min_length=1)
    """sampling costs at which figures name the winning size and draw its images"""
    guidance_sizes: Annotated[list[Size], Distinct, Field(min_length=1, max_length=2)] | None = None
    """sizes whose images at every guidance scale are drawn; null: the smallest and the largest"""
    prompts: Annotated[list[Annotated[int, Field(ge=0, lt=SHEET_IMAGES)]], Distinct] = Field(
        min_length=2, max_length=9
    )
    """rows of the test captions whose images are drawn; the first two are also interpolated"""


class Latency(Strict):
    """How forward passes are timed, for the table latency, which is made on request only."""

    batches: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """images in a forward pass"""
    repeats: Positive
    """timed forward passes, after a warm-up"""
