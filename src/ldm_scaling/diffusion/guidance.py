"""Classifier-free guidance (Ho & Salimans 2022): the one place that says what a scale is.

Which scale is best is decided in jobs/choice.py. The scale s is that of eps_u + s * (eps_c -
eps_u), on all latent channels: s = 1 is off. A student that was distilled from guided predictions
is told s instead, by an embedding, and needs no second forward pass (Meng et al. 2023, section
3.1).
"""

from __future__ import annotations

import math

import torch

from ..training.network import Network
from .process import column


def forwards_per_step(scale: float, embedded: bool = False) -> int:
    """U-Net forward passes of one denoising step of one image."""
    return 1 if scale == 1 or embedded else 2


def is_embedded(unet: Network) -> bool:
    """Whether the U-Net is told the scale."""
    return getattr(unet.config, "time_cond_proj_dim", None) is not None


def guidance_embedding(scales: torch.Tensor, width: int) -> torch.Tensor:
    """Sinusoids [B, width] of scales [B], as diffusers' LatentConsistencyModelPipeline has them."""
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, device=scales.device) * -(math.log(1e4) / (half - 1))
    )
    angles = 1000 * (scales.float() - 1)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def guidance_text(
    text: torch.Tensor, empty: torch.Tensor, scale: float, embedded: bool = False
) -> torch.Tensor:
    """What the U-Net attends to, for captions [B, L, D] and the empty caption [L, D].

    [B, L, D] without a second forward pass, [2B, L, D] with it: the unconditional half first.
    """
    if forwards_per_step(scale, embedded) == 1:
        return text
    return torch.cat([empty.expand_as(text), text])


def told_prediction(
    unet: Network,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    text: torch.Tensor,
    scales: torch.Tensor,
    width: int,
) -> torch.Tensor:
    """The prediction of a U-Net that is told the scales [B], with embeddings of that width."""
    told = guidance_embedding(scales, width)
    return unet(latents, timestep, text, timestep_cond=told, return_dict=False)[0]


def guided_prediction(
    unet: Network,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    text: torch.Tensor,
    scale: float | torch.Tensor,
) -> torch.Tensor:
    """The guided prediction for latents [B, C, h, w] and `guidance_text` of the same scale.

    The scale may be one for all images, or one for each, [B]; the timestep likewise.
    """
    if is_embedded(unet):
        scales = torch.as_tensor(scale, device=latents.device).expand(len(latents))
        width = unet.config.time_cond_proj_dim
        return told_prediction(unet, latents, timestep, text, scales, width)
    if len(text) == len(latents):
        return unet(latents, timestep, text, return_dict=False)[0]
    twice = timestep if timestep.dim() == 0 else torch.cat([timestep, timestep])
    unconditional, conditional = unet(
        torch.cat([latents, latents]), twice, text, return_dict=False
    )[0].chunk(2)
    if isinstance(scale, torch.Tensor):
        scale = column(scale, latents)
    return unconditional + scale * (conditional - unconditional)


def text_projections(unet: Network) -> list[Network]:
    """The layers that see nothing but the text: of cross-attention's keys and values."""
    names = ("attn2.to_k", "attn2.to_v")
    return [layer for name, layer in unet.named_modules() if name.endswith(names)]
