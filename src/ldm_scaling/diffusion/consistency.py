"""Consistency models of the discrete noise levels: their grid, their scalings and their loss."""

from __future__ import annotations

import torch

from .process import Process, column

SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0
"""both as in diffusers' LCMScheduler, whose `step` undoes what these scalings do"""
HUBER = 0.001
"""c of the pseudo-Huber loss, for latents of unit scale (Luo et al. 2023)"""


def levels(train_timesteps: int, count: int) -> torch.Tensor:
    """Timesteps [count] of the teacher's grid, ascending (Luo et al. 2023, section 4.3).

    Every `train_timesteps // count`-th one; the last is the noisiest. LCMScheduler draws the steps
    of a student from the same grid.
    """
    return torch.arange(1, count + 1) * (train_timesteps // count) - 1


def boundary_scalings(timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """c_skip and c_out [B] of f = c_skip x_t + c_out F (Song et al. 2023, eq. 5), as LCMScheduler.

    At timestep 0 they are 1 and 0: what has no noise left is its own origin.
    """
    scaled = timesteps.float() * TIMESTEP_SCALING
    skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    return skip, scaled / (scaled**2 + SIGMA_DATA**2).sqrt()


def consistency(
    process: Process, noisy: torch.Tensor, output: torch.Tensor, levels: torch.Tensor
) -> torch.Tensor:
    """The origin that a consistency model gives: its prediction of x_0 between the scalings."""
    scalings = boundary_scalings(process.timesteps(levels))
    skip, out = (column(part, noisy) for part in scalings)
    return skip * noisy + out * process.origin_and_noise(noisy, output, levels)[0]


def distance(kind: str, difference: torch.Tensor) -> torch.Tensor:
    """The loss [B] of differences: pseudo-Huber (Song & Dhariwal 2023, eq. 8), a value, or squared.

    The Huber loss is taken of each value, as in latent consistency distillation's public code.
    """
    square = difference.float().square()
    if kind == "huber":
        square = (square + HUBER**2).sqrt() - HUBER
    return square.mean(dim=tuple(range(1, difference.dim())))
