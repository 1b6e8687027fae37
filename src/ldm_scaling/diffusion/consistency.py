"""Consistency models of the discrete noise levels, and the steps that teach them.

Timesteps are those of training, 0 .. T - 1, with a_t of `schedule`; x_t has shape [B, C, h, w].
"""

from __future__ import annotations

import torch

from .schedule import column

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


def origin_and_noise(
    prediction: str, noisy: torch.Tensor, output: torch.Tensor, alpha: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x_0 and eps that a prediction of eps or v at a_t = alpha [B] stands for.

    Both follow from x_t = sqrt(a) x_0 + sqrt(1 - a) eps; v as in Salimans & Ho 2022, appendix D.
    """
    alpha = column(alpha, noisy)
    signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
    if prediction == "epsilon":
        return (noisy - sigma * output) / signal, output
    return signal * noisy - sigma * output, sigma * noisy + signal * output


def ddim_step(
    prediction: str,
    noisy: torch.Tensor,
    output: torch.Tensor,
    alpha: torch.Tensor,
    alpha_next: torch.Tensor,
) -> torch.Tensor:
    """x at a_t = alpha_next [B] from that at alpha [B] (Song et al. 2021, eq. 12, eta = 0)."""
    origin, noise = origin_and_noise(prediction, noisy, output, alpha)
    alpha_next = column(alpha_next, noisy)
    return alpha_next.sqrt() * origin + (1 - alpha_next).sqrt() * noise


def consistency(
    prediction: str,
    noisy: torch.Tensor,
    output: torch.Tensor,
    timesteps: torch.Tensor,
    alpha: torch.Tensor,
) -> torch.Tensor:
    """The origin that a consistency model gives: its prediction of x_0 between the scalings."""
    skip, out = (column(part, noisy) for part in boundary_scalings(timesteps))
    return skip * noisy + out * origin_and_noise(prediction, noisy, output, alpha)[0]


def one_step_origin(
    noisy: torch.Tensor, reached: torch.Tensor, alpha: torch.Tensor, alpha_reached: torch.Tensor
) -> torch.Tensor:
    """The x_0 with which one DDIM step from a_t = alpha gets to `reached` at alpha_reached.

    Progressive distillation's target (Salimans & Ho 2022, algorithm 2).
    """
    alpha, alpha_reached = column(alpha, noisy), column(alpha_reached, noisy)
    ratio = ((1 - alpha_reached) / (1 - alpha)).sqrt()
    return (reached - ratio * noisy) / (alpha_reached.sqrt() - ratio * alpha.sqrt())


def distance(kind: str, difference: torch.Tensor) -> torch.Tensor:
    """The loss [B] of differences: pseudo-Huber (Song & Dhariwal 2023, eq. 8), a value, or squared.

    The Huber loss is taken of each value, as in latent consistency distillation's public code.
    """
    square = difference.float().square()
    if kind == "huber":
        square = (square + HUBER**2).sqrt() - HUBER
    return square.mean(dim=tuple(range(1, difference.dim())))
