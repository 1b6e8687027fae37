"""The section `training` of a study: pretraining."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..kinds.sizes import channels
from .curriculum import Curriculum
from .fields import Fraction, Kept, Optimisation, Seeds, is_none


class Training(Optimisation):
    """Pretraining."""

    lr_power: Annotated[float | None, Field(ge=-4, le=4, exclude_if=is_none)] = None
    """a size has `lr` times this power of its width over that of family.reference_size; as in muP
    (Yang et al. 2022): -1; null: all sizes have `lr`"""
    lr_by_size: Annotated[
        dict[str, Annotated[float, Field(gt=0)]] | None, Field(exclude_if=is_none)
    ] = None
    """peak learning rates of some sizes, whatever `lr` and `lr_power` are"""
    caption_dropout: Fraction
    """share of captions that are replaced by the empty caption, for guidance"""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting (Hang et al. 2023); null: all noise levels weigh the same"""
    keep: Kept
    """fractions of the training at which a checkpoint of the averaged weights is kept"""
    seeds: Seeds
    """training seeds; there is one model of each size for each seed"""
    curriculum: Annotated[Curriculum | None, Field(exclude_if=is_none)] = None
    """clusters of noise levels that enter one after the other; null: all from the beginning"""

    def of_size(self, size: str, reference: str) -> Training:
        """The settings of one size's training, whose learning rate is `lr`."""
        rate = self.lr * (channels(size) / channels(reference)) ** (self.lr_power or 0)
        rate = (self.lr_by_size or {}).get(size, rate)
        return self.model_copy(update={"lr": rate, "lr_power": None, "lr_by_size": None})
