"""Distil a guided model progressively: a student takes one DDIM step where its teacher takes two.

The first student learns from the pretrained model with guidance, and is told the scale; each
further one starts from, and learns from, the one before (Meng et al. 2023, algorithms 1 and 2, of
which the first student does both at once).
Writes the same folder as pretraining, with the averaged weights, and continues likewise.
"""

from __future__ import annotations

import numpy as np
import torch

from ..diffusion.guidance import told_prediction
from ..diffusion.process import process_of
from ..diffusion.schedules import CLEAN, levels
from ..jobs.cli import run
from ..jobs.seeds import Stream, row_generators
from ..latents.pairs import Pairs
from ..workflow.specs.models import GuidedDistillSpec
from .denoiser import Denoiser
from .students import EMBEDDING, Teacher, distil, drawn, make_student, student_parser


class ProgressiveDistillation:
    """The task of the training loop: get in one step where the teacher gets in two."""

    def __init__(self, spec: GuidedDistillSpec, pairs: Pairs, teacher: Denoiser):
        self._spec, self._pairs = spec, pairs
        self.module = make_student(teacher).to(memory_format=torch.channels_last)
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._teacher = Teacher(teacher, pairs)
        self._process = process_of(spec.diffusion)
        # the teacher's levels: every second one is the student's, and the last step ends clean
        fine = levels(spec.schedule, 2 * spec.steps, spec.diffusion.train_timesteps)
        self._levels = torch.tensor([*fine, CLEAN])

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Squared error of each image's origin, weighted by the truncated SNR; [len(indices)]."""
        spec, process = self._spec, self._process
        clean, captions = self._pairs.read(indices, device)
        generators = list(row_generators(Stream.DISTILLATION, spec.seed, positions))
        shape, scales = self._pairs.latent_shape, spec.guided_distill.guidance
        number, scale, noise = drawn(generators, spec.steps, scales, shape)
        level, halfway, reached = (self._levels[2 * number + later] for later in range(3))
        scale = scale.to(device)
        here, middle = (process.timesteps(at).to(device) for at in (level, halfway))
        noisy = process.noised(clean, noise.to(device), level)
        with torch.no_grad():
            guided = self._teacher(noisy, here, captions, scale)
            between = process.step(noisy, guided, level, halfway)
            guided = self._teacher(between, middle, captions, scale)
            further = process.step(between, guided, halfway, reached)
            goal = process.one_step_origin(noisy, further, level, reached)
        output = told_prediction(module, noisy, here, captions, scale, EMBEDDING).float()
        origin = process.origin_and_noise(noisy, output, level)[0]
        error = (origin - goal).square().mean(dim=(1, 2, 3))
        return error * process.truncated_weights(level).to(device)


def main() -> None:
    """Command line."""
    options = student_parser(__doc__, GuidedDistillSpec).parse_args()
    distil(options, ProgressiveDistillation, "guided_distill")


if __name__ == "__main__":
    run(main)
