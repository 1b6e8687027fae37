"""Pretrain one size on latents and text embeddings, cached or encoded on the way.

Writes a diffusers folder: `unet/` with the averaged weights, `scheduler/`, `summary.json`,
`metrics.jsonl`, and `kept.safetensors`: the averaged weights at every fraction of the run that the
study keeps, named `{fraction}/{parameter}`.
Running the same command again continues, on a CPU bit by bit.
"""

from __future__ import annotations

import numpy as np
import torch

from ..diffusion.process import denoising_losses, process_of
from ..jobs.cli import parser, run
from ..jobs.seeds import Stream, row_generators
from ..latents.pairs import Pairs
from ..workflow.specs.models import PretrainSpec
from .denoiser import Denoiser, build
from .train import add_training, make_plan, train


class Denoising:
    """The task of the training loop: predict the noise (or v) in noisy latents."""

    def __init__(self, spec: PretrainSpec, pairs: Pairs):
        self._spec, self._pairs = spec, pairs
        torch.manual_seed(spec.seed)
        network = build(spec.family, spec.size, pairs.latent_shape, pairs.text_width)
        self.module = network.to(memory_format=torch.channels_last)  # up to a third faster
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._process = process_of(spec.diffusion)

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Weighted squared error of each image; shape [len(indices)]."""
        spec = self._spec
        clean, captions = self._pairs.read(indices, device)
        noise, levels, dropped = [], [], []
        for row, generator in enumerate(row_generators(Stream.TRAINING, spec.seed, positions)):
            levels.append(self._process.draw(generator))
            if torch.rand((), generator=generator) < spec.training.caption_dropout:
                dropped.append(row)
            noise.append(torch.randn(self._pairs.latent_shape, generator=generator))
        captions[dropped] = self._pairs.empty.to(device)

        def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            return module(noisy, timesteps, captions, return_dict=False)[0]

        eps, gamma = torch.stack(noise).to(device), spec.training.min_snr_gamma
        return denoising_losses(self._process, predict, clean, eps, torch.stack(levels), gamma)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, PretrainSpec)
    add_training(arguments)
    options = arguments.parse_args()
    spec: PretrainSpec = options.spec
    plan = make_plan(spec.training, spec.seed, "training.lr", spec.training.keep)
    train(options, lambda pairs: Denoising(spec, pairs), plan)


if __name__ == "__main__":
    run(main)
