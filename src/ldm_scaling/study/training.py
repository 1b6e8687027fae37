"""The section `training` of a study: pretraining."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .fields import Distinct, Fraction, Kept, Optimisation, Seed


class Training(Optimisation):
    """Pretraining."""

    caption_dropout: Fraction
    """share of captions that are replaced by the empty caption, for guidance"""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting (Hang et al. 2023); null: all noise levels weigh the same"""
    keep: Kept
    """fractions of the training at which a checkpoint of the averaged weights is kept"""
    seeds: Annotated[list[Seed], Distinct] = Field(min_length=1)
    """training seeds; there is one model of each size for each seed"""
