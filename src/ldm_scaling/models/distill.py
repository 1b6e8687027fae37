"""Distil a pretrained size into a student of few steps: consistency distillation of its latents.

The student starts as its teacher, is told the guidance scale, and learns to give the same origin
anywhere on a trajectory of the guided teacher: what it says of x_t is compared with what its own
average says of the x that the teacher's DDIM step leads to (Song et al. 2023, algorithm 2; in
latents and with guidance, Luo et al. 2023, algorithm 1). In an arm of stochastic distillation the
teacher takes several steps with new noise there, and a discriminator may join (arXiv 2403.01505).
Writes the same folder as pretraining, with the averaged weights, and continues likewise.
"""

from __future__ import annotations

import copy
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from ..diffusion.consistency import consistency, distance, levels
from ..diffusion.guidance import told_prediction
from ..diffusion.process import process_of
from ..jobs.cli import InputError, batches, run
from ..jobs.seeds import Stream, row_generators
from ..latents.pairs import Pairs, open_pairs
from ..study.distill import PLAIN
from ..workflow.specs.models import DistillSpec
from .denoiser import Denoiser
from .discriminator import Discriminator
from .students import EMBEDDING, Teacher, distil, drawn, make_student, student_parser

_JUDGED, _TOGETHER = 128, 16
"""images that the discriminator's accuracy is a mean over, and of them at a time"""


class ConsistencyDistillation:
    """The task of the training loop: agree with one's own average a teacher's step further on."""

    def __init__(
        self, spec: DistillSpec, pairs: Pairs, teacher: Denoiser, held_out: Pairs | None = None
    ):
        """`held_out` are pairs on which a discriminator's accuracy is logged."""
        self._spec, self._pairs, self._held_out = spec, pairs, held_out
        self.module = make_student(teacher).to(memory_format=torch.channels_last)
        self.target = copy.deepcopy(self.module).requires_grad_(False)
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._process = process_of(spec.diffusion)
        self._levels = levels(spec.diffusion.train_timesteps, spec.teacher_steps)
        self._arm = spec.arm or PLAIN
        self._discriminator = self.opponent = None
        if adversary := self._arm.adversary:
            own = spec.distill
            rest = (spec.seed, own.weight_decay, own.clip_norm)
            self._discriminator = Discriminator(adversary, teacher, *rest)
            self.opponent = self._discriminator.opponent
        self._teacher = Teacher(teacher, pairs)

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Distance of each image's two origins; shape [len(indices)].

        With a discriminator, that and its losses.
        """
        spec, process = self._spec, self._process
        clean, captions = self._pairs.read(indices, device)
        number, scale, noise = self._drawn(positions, device)
        # below the lowest level lies timestep 0, where the origin is known
        grid = torch.cat([torch.zeros(1, dtype=torch.long), self._levels])
        level, reached = grid[number + 1], grid[number]
        here, there = (process.timesteps(at).to(device) for at in (level, reached))
        noisy = process.noised(clean, noise, level)
        with torch.no_grad():
            further = self._led(noisy, level, reached, captions, scale, positions)
            output = told_prediction(self.target, further, there, captions, scale, EMBEDDING)
            goal = consistency(process, further, output.float(), reached)
        output = told_prediction(module, noisy, here, captions, scale, EMBEDDING).float()
        origin = consistency(process, noisy, output, level)
        losses = distance(spec.distill.loss, origin - goal)
        if self._discriminator is None:
            return losses
        return losses + self._discriminator.losses(origin, clean, here, captions)

    def _drawn(
        self, positions: np.ndarray, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generators = list(row_generators(Stream.DISTILLATION, self._spec.seed, positions))
        scales, shape = self._spec.distill.guidance, self._pairs.latent_shape
        number, scale, noise = drawn(generators, len(self._levels), scales, shape)
        return number, scale.to(device), noise.to(device)

    def _led(
        self,
        noisy: torch.Tensor,
        level: torch.Tensor,
        reached: torch.Tensor,
        captions: torch.Tensor,
        scale: torch.Tensor,
        positions: np.ndarray,
    ) -> torch.Tensor:
        """Where the guided teacher's sub-steps lead: x at the levels `reached`.

        Each image has its own new noise in each sub-step.
        """
        arm, process = self._arm, self._process
        length = int(self._levels[0] + 1) // arm.substeps
        between = [level - length * step for step in range(arm.substeps)]
        streams = row_generators(Stream.SUBSTEPS, self._spec.seed, positions)
        generators = list(streams) if arm.eta else []
        for here, there in pairwise([*between, reached]):
            steps = process.timesteps(here).to(noisy.device)
            guided, fresh = self._teacher(noisy, steps, captions, scale), None
            if generators:
                rows = [torch.randn(noisy.shape[1:], generator=own) for own in generators]
                fresh = torch.stack(rows).to(noisy.device)
            noisy = process.step(noisy, guided, here, there, arm.eta, fresh)
        return noisy

    def measured(self, device: torch.device) -> dict[str, float]:
        """Shares of latents that the discriminator tells right, by what they are.

        Of the images that the training saw first, as they are and as the average gives their
        origins, and of held-out images. Real ones that it tells better than held-out ones it knows
        by heart.
        """
        assert self._discriminator and self._held_out
        found: dict[str, list[torch.Tensor]] = {"real": [], "held_out": [], "generated": []}
        first = np.arange(min(_JUDGED, self._held_out.count))
        indices = self._pairs.order(self._spec.seed, 0, len(first))
        for rows in batches(len(first), _TOGETHER):
            number, scale, noise = self._drawn(first[rows], device)
            level = self._levels[number]
            here = self._process.timesteps(level).to(device)
            clean, text = self._pairs.read(indices[rows], device)
            noisy = self._process.noised(clean, noise, level)
            output = told_prediction(self.target, noisy, here, text, scale, EMBEDDING)
            origin = consistency(self._process, noisy, output.float(), level)
            found["real"].append(self._discriminator.scores(clean, here, text) > 0)
            found["generated"].append(self._discriminator.scores(origin, here, text) < 0)
            unseen, of_unseen = self._held_out.read(first[rows], device)
            found["held_out"].append(self._discriminator.scores(unseen, here, of_unseen) > 0)
        return {
            f"discriminator_{name}": float(torch.cat(own).float().mean())
            for name, own in found.items()
        }


def main() -> None:
    """Command line."""
    arguments = student_parser(__doc__, DistillSpec)
    arguments.add_argument(
        "--held-out",
        nargs=2,
        type=Path,
        metavar=("LATENTS", "TEXT"),
        help="held-out latents and their text, on which a discriminator's accuracy is logged",
    )
    options = arguments.parse_args()
    held_out, fingerprints = None, []
    if options.spec.arm and options.spec.arm.adversary:
        if options.held_out is None:
            raise InputError("--held-out: needed, since the spec's arm has an adversary")
        latents, text = options.held_out
        held_out, fingerprints = open_pairs([latents], [text], None, None, None)
    task = partial(ConsistencyDistillation, held_out=held_out)
    distil(options, task, "distill", *fingerprints)


if __name__ == "__main__":
    run(main)
