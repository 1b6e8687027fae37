"""Classifier-free guidance (Ho & Salimans 2022): the one place that defines the scale.

The scale s is that of eps_u + s * (eps_c - eps_u), on all latent channels: s = 1 is off.
"""

from __future__ import annotations

import torch
from torch import nn


def forwards_per_step(scale: float) -> int:
    """U-Net forward passes of one denoising step of one image."""
    return 1 if scale == 1 else 2


def guidance_text(text: torch.Tensor, empty: torch.Tensor, scale: float) -> torch.Tensor:
    """What the U-Net attends to, for captions [B, L, D] and the empty caption [L, D].

    [B, L, D] without guidance, [2B, L, D] with it: the unconditional half first.
    """
    return text if scale == 1 else torch.cat([empty.expand_as(text), text])


def guided_prediction(
    unet: nn.Module,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    text: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """The guided prediction for latents [B, C, h, w] and `guidance_text` of the same scale."""
    if scale == 1:
        return unet(latents, timestep, text, return_dict=False)[0]
    unconditional, conditional = unet(
        torch.cat([latents, latents]), timestep, text, return_dict=False
    )[0].chunk(2)
    return unconditional + scale * (conditional - unconditional)
