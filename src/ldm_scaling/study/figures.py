"""The sections `figures` and `latency` of a study."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .family import Size
from .fields import Distinct, Positive, Strict

SHEET_IMAGES = 32
"""images of a cell that are kept as pixels"""


class Figures(Strict):
    """What figures mark."""

    budgets: Annotated[list[Annotated[float, Field(gt=0)]], Distinct] = Field(min_length=1)
    """sampling costs at which the winning size is named, and drawn"""
    guidance_sizes: Annotated[list[Size], Distinct, Field(min_length=1, max_length=2)] | None = None
    """sizes whose images at every guidance scale are drawn; null: the smallest and the largest"""
    prompts: Annotated[list[Annotated[int, Field(ge=0, lt=SHEET_IMAGES)]], Distinct] = Field(
        min_length=2, max_length=9
    )
    """rows of the test captions whose images are drawn; the first two are also interpolated"""


class Latency(Strict):
    """How forward passes are timed, for the table that is asked for by its name."""

    batches: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """images of a forward pass"""
    repeats: Positive
    """timed forward passes, after a warm-up"""
