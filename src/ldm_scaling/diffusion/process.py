"""The process: how latents become noise, and what a network learns of it.

Whatever depends on it is in its class: losses of training, steps of distillation, settings of
diffusers' schedulers. Trainers and samplers ask the process and know no formula, so that another
process is a class with the methods of `Ddpm`, and its case in `process_of`.
Levels [B] are noise levels, on the processor; `schedules.CLEAN` is none. Tensors [B, ...] may be on
any device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..study.diffusion import Diffusion
from .schedules import CLEAN

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""noisy latents [B, ...] and the timesteps [B] that the network is told, to its output [B, ...]"""


class Ddpm:
    """x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps at levels t = 0 .. T - 1 (Ho et al. 2020).

    a_t is the product of 1 - beta, with Stable Diffusion's scaled-linear betas (Rombach et al.
    2022). The network predicts eps, or v = sqrt(a_t) eps - sqrt(1 - a_t) x_0 (Salimans & Ho 2022,
    section 4 and appendix D).
    """

    def __init__(self, diffusion: Diffusion):
        start, end = diffusion.beta_start**0.5, diffusion.beta_end**0.5
        betas = torch.linspace(start, end, diffusion.train_timesteps, dtype=torch.float32) ** 2
        self.alphas = torch.cumprod(1 - betas, dim=0)
        """a_t of every level, float32"""
        self._diffusion, self._of_noise = diffusion, diffusion.prediction == "epsilon"

    def scheduler_settings(self) -> dict[str, Any]:
        """What diffusers' schedulers call this process."""
        return {
            "num_train_timesteps": self._diffusion.train_timesteps,
            "beta_start": self._diffusion.beta_start,
            "beta_end": self._diffusion.beta_end,
            "beta_schedule": "scaled_linear",
            "prediction_type": self._diffusion.prediction,
        }

    @property
    def levels(self) -> range:
        """All noise levels, the least noisy first."""
        return range(len(self.alphas))

    def draw(self, generator: torch.Generator, levels: range | None = None) -> torch.Tensor:
        """The level at which an image is trained, among these, or among all."""
        own = levels or self.levels
        return torch.randint(own.start, own.stop, (), generator=generator)

    def clusters(self, count: int, by: str = "timesteps") -> list[int]:
        """Borders [count + 1] of clusters of noise levels: cluster i is border i up to the next.

        Clusters have the same number of levels, or by `snr` the same range of log SNR.
        """
        levels = len(self.alphas)
        if by == "timesteps":
            return [levels * number // count for number in range(count + 1)]
        log_snr = torch.logit(self.alphas.double())
        first, last = log_snr[0].item(), log_snr[-1].item()
        edges = [first + (last - first) * number / count for number in range(1, count)]
        return [0, *(int((log_snr > edge).sum()) for edge in edges), levels]

    def timesteps(self, levels: torch.Tensor) -> torch.Tensor:
        """What the network is told of levels."""
        return levels

    def _alpha(self, levels: torch.Tensor) -> torch.Tensor:
        return torch.where(levels == CLEAN, 1.0, self.alphas[levels.clamp(min=0)])

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor
    ) -> torch.Tensor:
        """x_t of clean latents."""
        alpha = column(self._alpha(levels), clean)
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def target(
        self, clean: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor
    ) -> torch.Tensor:
        """What the network is to predict."""
        if self._of_noise:
            return noise
        alpha = column(self._alpha(levels), clean)
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean

    def weights(self, levels: torch.Tensor, gamma: float | None) -> torch.Tensor:
        """Min-SNR weights [B] of the loss (Hang et al. 2023, section 3.4); ones without gamma."""
        alpha = self.alphas[levels]
        if gamma is None:
            return torch.ones_like(alpha)
        snr = alpha / (1 - alpha)
        clipped = snr.clamp(max=gamma)
        return clipped / (snr if self._of_noise else snr + 1)

    def truncated_weights(self, levels: torch.Tensor) -> torch.Tensor:
        """max(SNR, 1) [B]: weights of errors of x_0 (Salimans & Ho 2022, section 4)."""
        alpha = self.alphas[levels]
        return (alpha / (1 - alpha)).clamp(min=1)

    def origin_and_noise(
        self, noisy: torch.Tensor, output: torch.Tensor, levels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x_0 and eps that an output at x_t stands for."""
        alpha = column(self._alpha(levels), noisy)
        signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
        if self._of_noise:
            return (noisy - sigma * output) / signal, output
        return signal * noisy - sigma * output, sigma * noisy + signal * output

    def step(
        self,
        noisy: torch.Tensor,
        output: torch.Tensor,
        levels: torch.Tensor,
        reached: torch.Tensor,
        eta: float = 0,
        fresh: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x at the levels `reached` (Song et al. 2021, eq. 12 and 16).

        `eta` is how much of the noise is new, from `fresh` unit noise: 0 solves the flow's ODE, 1
        takes as much as DDPM's ancestral steps. All have the same marginals as steps get small.
        """
        origin, noise = self.origin_and_noise(noisy, output, levels)
        alpha, after = (column(self._alpha(at), noisy) for at in (levels, reached))
        spread = eta * ((1 - after) / (1 - alpha) * (1 - alpha / after)).sqrt()
        further = after.sqrt() * origin + (1 - after - spread**2).sqrt() * noise
        return further if fresh is None else further + spread * fresh

    def one_step_origin(
        self,
        noisy: torch.Tensor,
        further: torch.Tensor,
        levels: torch.Tensor,
        reached: torch.Tensor,
    ) -> torch.Tensor:
        """The x_0 with which one `step` leads from x_t to `further`, at the levels `reached`.

        Progressive distillation's target (Salimans & Ho 2022, algorithm 2).
        """
        alpha, after = (column(self._alpha(at), noisy) for at in (levels, reached))
        ratio = ((1 - after) / (1 - alpha)).sqrt()
        return (further - ratio * noisy) / (after.sqrt() - ratio * alpha.sqrt())


Process = Ddpm
"""all that there are"""


def process_of(diffusion: Diffusion) -> Process:
    """The process that a study's section describes."""
    return Ddpm(diffusion)


def denoising_losses(
    process: Process,
    predict: Predict,
    clean: torch.Tensor,
    noise: torch.Tensor,
    levels: torch.Tensor,
    gamma: float | None,
) -> torch.Tensor:
    """The weighted squared error [B] of a network on clean latents, noised to levels."""
    noisy = process.noised(clean, noise, levels)
    predicted = predict(noisy, process.timesteps(levels).to(clean.device)).float()
    error = (predicted - process.target(clean, noise, levels)).square().mean(dim=(1, 2, 3))
    return error * process.weights(levels, gamma).to(error.device)


def column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Values [B] in a shape that multiplies [B, ...], on its device."""
    return values.to(like.device).reshape(-1, *[1] * (like.dim() - 1))
