"""The forward process: x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps, with a_t the product of 1 - beta.

The betas are Stable Diffusion's scaled-linear ones (Rombach et al. 2022).
"""

from __future__ import annotations

import torch

from ..study.diffusion import Diffusion


def alphas_cumprod(diffusion: Diffusion) -> torch.Tensor:
    """a_t for t = 0 .. train_timesteps - 1, float32."""
    start, end = diffusion.beta_start**0.5, diffusion.beta_end**0.5
    betas = torch.linspace(start, end, diffusion.train_timesteps, dtype=torch.float32) ** 2
    return torch.cumprod(1 - betas, dim=0)


def column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Values [B] in a shape that multiplies [B, ...]."""
    return values.to(like.device).reshape(-1, *[1] * (like.dim() - 1))


def add_noise(clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """x_t of clean latents [B, ...] at a_t = alpha [B]."""
    alpha = column(alpha, clean)
    return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def target(
    prediction: str, clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor
) -> torch.Tensor:
    """What the U-Net is to predict: eps, or v = sqrt(a) eps - sqrt(1 - a) x_0.

    v is from Salimans & Ho 2022, eq. in section 4.
    """
    if prediction == "epsilon":
        return noise
    alpha = column(alpha, clean)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean


def loss_weights(prediction: str, alpha: torch.Tensor, gamma: float | None) -> torch.Tensor:
    """Min-SNR weights (Hang et al. 2023, section 3.4) at a_t = alpha [B]; ones without gamma."""
    if gamma is None:
        return torch.ones_like(alpha)
    snr = alpha / (1 - alpha)
    clipped = snr.clamp(max=gamma)
    return clipped / (snr if prediction == "epsilon" else snr + 1)
