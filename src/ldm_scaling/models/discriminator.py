"""A discriminator of latents, made of a student's teacher, that is trained against the student.

It is told timestep and text, and scores clean latents: those of the data above 0, origins that the
student gives below (SCott, arXiv 2403.01505; hinge loss, Lim and Ye 2017). Two choices are ours. A
new layer replaces the teacher's last one, and the mean of its map is the score. The timestep is
that of the latents which the student saw.
"""

from __future__ import annotations

import torch
from torch.func import functional_call
from torch.nn.functional import relu

from ..study.distill import Adversary
from ..training.devices import own_device
from ..training.opponent import Opponent
from .denoiser import Denoiser, discriminator


class Discriminator:
    """Scores of latents, and the losses that they give; `opponent` is what is trained."""

    def __init__(
        self,
        adversary: Adversary,
        teacher: Denoiser,
        seed: int,
        weight_decay: float,
        clip_norm: float,
    ):
        self._weight = adversary.weight
        with torch.random.fork_rng(devices=[]):  # LoRA begins with random numbers
            torch.manual_seed(seed)
            network = discriminator(teacher, adversary.lora_rank)
        network = network.to(own_device(), memory_format=torch.channels_last)
        self.opponent = Opponent(network, adversary.lr, weight_decay, clip_norm)

    def scores(
        self, latents: torch.Tensor, steps: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """The score [B] of clean latents [B, C, h, w], above 0 for those of the data."""
        return self._mean(self.opponent.module(latents, steps, text, return_dict=False))

    def losses(
        self, fake: torch.Tensor, real: torch.Tensor, steps: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """Both networks' losses [B]: the student's, weighted, and the discriminator's.

        The first trains the student alone, the second the discriminator alone, so that their sum
        has the gradients of both.
        """
        network, frozen = self.opponent.module, self.opponent.detached()
        options = {"return_dict": False}
        fooled = self._mean(functional_call(network, frozen, (fake, steps, text), options))
        both = torch.cat([fake.detach(), real])
        found, wanted = self.scores(both, steps.repeat(2), text.repeat(2, 1, 1)).chunk(2)
        return relu(1 + found) + relu(1 - wanted) - self._weight * fooled

    @staticmethod
    def _mean(output: tuple[torch.Tensor]) -> torch.Tensor:
        return output[0].float().mean(dim=(1, 2, 3))
