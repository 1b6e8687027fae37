"""The section `diffusion` of a study: the forward process."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Positive, Strict

Beta = Annotated[float, Field(gt=0, lt=1)]


class Diffusion(Strict):
    """The forward process that training and sampling share."""

    prediction: Literal["epsilon", "v_prediction"]
    """what the U-Net predicts: the noise (epsilon), or v (Salimans and Ho 2022)"""
    train_timesteps: Positive = 1000
    """discrete noise levels"""
    beta_start: Beta = 0.00085
    """first beta of the scaled-linear schedule"""
    beta_end: Beta = 0.012
    """last beta of the scaled-linear schedule"""

    @model_validator(mode="after")
    def _noise_grows(self) -> Diffusion:
        if self.beta_end < self.beta_start:
            raise ValueError("beta_end: is smaller than beta_start; raise it")
        return self
