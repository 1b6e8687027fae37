"""Distil a pretrained size into a student of few steps: consistency distillation of its latents.

The student starts as its teacher, is told the guidance scale, and learns to give the same origin
anywhere on a trajectory of the guided teacher: what it says of x_t is compared with what its own
average says of the x that the teacher's DDIM step leads to (Song et al. 2023, algorithm 2; in
latents and with guidance, Luo et al. 2023, algorithm 1).
Writes the same folder as pretraining, with the averaged weights, and continues likewise.
"""

from __future__ import annotations

import copy

import numpy as np
import torch

from ..diffusion.consistency import consistency, distance, levels
from ..diffusion.guidance import told_prediction
from ..diffusion.process import process_of
from ..jobs.cli import run
from ..jobs.seeds import Stream, row_generators
from ..latents.pairs import Pairs
from ..workflow.specs.models import DistillSpec
from .denoiser import Denoiser
from .students import EMBEDDING, Teacher, distil, drawn, make_student


class ConsistencyDistillation:
    """The task of the training loop: agree with one's own average a teacher's step further on."""

    def __init__(self, spec: DistillSpec, pairs: Pairs, teacher: Denoiser):
        self._spec, self._pairs = spec, pairs
        self.module = make_student(teacher).to(memory_format=torch.channels_last)
        self.target = copy.deepcopy(self.module).requires_grad_(False)
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._teacher = Teacher(teacher, pairs)
        self._process = process_of(spec.diffusion)
        self._levels = levels(spec.diffusion.train_timesteps, spec.teacher_steps)

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Distance of each image's two origins; shape [len(indices)]."""
        spec, process = self._spec, self._process
        clean, captions = self._pairs.read(indices, device)
        generators = list(row_generators(Stream.DISTILLATION, spec.seed, positions))
        shape = self._pairs.latent_shape
        number, scale, noise = drawn(generators, len(self._levels), spec.distill.guidance, shape)
        # below the lowest level lies timestep 0, where the origin is known
        grid = torch.cat([torch.zeros(1, dtype=torch.long), self._levels])
        level, reached, scale = grid[number + 1], grid[number], scale.to(device)
        here, there = (process.timesteps(at).to(device) for at in (level, reached))
        noisy = process.noised(clean, noise.to(device), level)
        with torch.no_grad():
            guided = self._teacher(noisy, here, captions, scale)
            further = process.step(noisy, guided, level, reached)
            output = told_prediction(self.target, further, there, captions, scale, EMBEDDING)
            goal = consistency(process, further, output.float(), reached)
        output = told_prediction(module, noisy, here, captions, scale, EMBEDDING).float()
        origin = consistency(process, noisy, output, level)
        return distance(spec.distill.loss, origin - goal)


def main() -> None:
    """Command line."""
    distil(__doc__, DistillSpec, ConsistencyDistillation, "distill")


if __name__ == "__main__":
    run(main)
