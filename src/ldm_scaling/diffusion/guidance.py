"""Classifier-free guidance (Ho & Salimans 2022): the one place that defines the scale.

The scale s is that of eps_u + s * (eps_c - eps_u), on all latent channels: s = 1 is off.
"""

from __future__ import annotations

import torch
from torch import nn


def forwards_per_step(scale: float) -> int:
    """U-Net forward passes of one denoising step of one image."""
    return 1 if scale == 1 else 2


def guided_prediction(
    unet: nn.Module,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    text: torch.Tensor,
    empty: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """The guided prediction for latents [B, C, h, w], captions [B, L, D], empty caption [L, D]."""
    if scale == 1:
        return unet(latents, timestep, text, return_dict=False)[0]
    both = torch.cat([empty.expand_as(text), text])
    unconditional, conditional = unet(
        torch.cat([latents, latents]), timestep, both, return_dict=False
    )[0].chunk(2)
    return unconditional + scale * (conditional - unconditional)
