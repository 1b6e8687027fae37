"""Pretrain one size on latents and text embeddings, cached or encoded on the way.

Writes a diffusers folder: `unet/` with the averaged weights, `scheduler/`, `summary.json`,
`metrics.jsonl`, and `kept.safetensors`: the averaged weights at every fraction of the run that the
study keeps, named `{fraction}/{parameter}`.
Running the same command again continues, on a CPU bit by bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ..diffusion.process import Process, denoising_losses, process_of
from ..jobs.cli import parser, run
from ..jobs.seeds import Stream, row_generators
from ..kinds.stages import EASY_TO_HARD
from ..latents.pairs import Pairs
from ..study.curriculum import Curriculum
from ..training.loop import Plan
from ..training.pacing import Pace
from ..workflow.specs.models import PretrainSpec
from .denoiser import LEVELS_SEEN, Denoiser, build
from .train import add_training, make_plan, train


def stages(process: Process, curriculum: Curriculum) -> list[range]:
    """The noise levels of each stage of a curriculum: its clusters accumulate from one end."""
    inner = process.clusters(curriculum.clusters, curriculum.by)[1:-1]
    first, last = process.levels.start, process.levels.stop
    if curriculum.order == EASY_TO_HARD:
        return [range(border, last) for border in (*reversed(inner), first)]
    return [range(first, border) for border in (*inner, last)]


class Denoising:
    """The task of the training loop: predict the noise (or v) in noisy latents."""

    def __init__(self, spec: PretrainSpec, pairs: Pairs):
        self._spec, self._pairs = spec, pairs
        torch.manual_seed(spec.seed)
        network = build(spec.family, spec.size, pairs.latent_shape, pairs.text_width)
        self.module = network.to(memory_format=torch.channels_last)  # up to a third faster
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._process = process_of(spec.diffusion)
        self.pace: Pace | None = None
        self._stages = [self._process.levels]
        if curriculum := spec.training.curriculum:
            self.pace = Pace(curriculum, math.ceil(spec.training.images / spec.training.batch))
            self._stages = stages(self._process, curriculum)

    def levels(self, step: int) -> range:
        """The noise levels at which images of an optimiser step are trained."""
        return self._stages[self.pace.stage(step) if self.pace else 0]

    def noted(self, plan: Plan) -> dict[str, Any]:
        """The first and last noise level of a curriculum that each checkpoint was trained at.

        By the fraction of the run, 1 being its end. One that lacks levels is not sampled.
        """
        if self.pace is None:
            return {}
        ends = {name: self.levels(step - 1) for step, name in plan.keep_at.items()}
        ends["1"] = self.levels(plan.steps - 1)
        return {LEVELS_SEEN: {name: [own.start, own.stop - 1] for name, own in ends.items()}}

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Weighted squared error of each image; shape [len(indices)]."""
        spec = self._spec
        clean, captions = self._pairs.read(indices, device)
        noise, levels, dropped = [], [], []
        among = self.levels(int(positions[0]) // spec.training.batch)
        for row, generator in enumerate(row_generators(Stream.TRAINING, spec.seed, positions)):
            levels.append(self._process.draw(generator, among))
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
