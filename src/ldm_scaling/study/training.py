"""The section `training` of a study: pretraining."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..kinds.sizes import channels
from .fields import Fraction, Kept, Optimisation, Seeds, Strict, is_none


class PowerOfWidth(Strict):
    """Learning rates that follow the width of a size, as in muP (Yang et al. 2022)."""

    power: float
    """of the width over that of family.reference_size, which has `lr` itself; muP: -1"""


class Training(Optimisation):
    """Pretraining."""

    lr_by_size: Annotated[
        dict[str, Annotated[float, Field(gt=0)]] | PowerOfWidth | None, Field(exclude_if=is_none)
    ] = None
    """peak learning rates of sizes instead of `lr`; null: all sizes have `lr`"""
    caption_dropout: Fraction
    """share of captions that are replaced by the empty caption, for guidance"""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting (Hang et al. 2023); null: all noise levels weigh the same"""
    keep: Kept
    """fractions of the training at which a checkpoint of the averaged weights is kept"""
    seeds: Seeds
    """training seeds; there is one model of each size for each seed"""

    def of_size(self, size: str, reference: str) -> Training:
        """The settings of one size's training, whose learning rate is `lr`."""
        rate, own = self.lr, self.lr_by_size
        if isinstance(own, PowerOfWidth):
            rate *= (channels(size) / channels(reference)) ** own.power
        elif own is not None:
            rate = own.get(size, rate)
        return self.model_copy(update={"lr": rate, "lr_by_size": None})
