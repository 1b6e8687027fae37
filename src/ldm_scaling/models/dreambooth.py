"""Teach a pretrained model one subject: DreamBooth (Ruiz et al. 2023, arXiv 2208.12242).

The U-Net is finetuned on the subject's few images under a prompt with a rare token and the class,
and on as many images of the class that the pretrained model itself has made, under the class alone.
The text encoder stays frozen. Writes the same folder as pretraining, and continues likewise.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..diffusion.process import denoising_losses, process_of
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, parser, run
from ..jobs.seeds import Stream, order, row_generators
from ..latents.autoencoder import weights_hash
from ..study.fields import Optimisation
from ..training.loop import Plan
from ..workflow.specs.dreambooth import DreamBoothSpec
from . import train
from .denoiser import Denoiser, input_shape, load


class Lesson:
    """What a subject is taught with."""

    def __init__(self, subjects: Path, prior: Path, subject: int):
        """From the encoded subjects and the latents of all their classes.

        Raises InputError if the subject is not there, or the two do not belong together.
        """
        numbers = np.asarray(map_array(subjects, "subject"))
        instance, noun = (map_array(subjects, name) for name in ("instance", "class"))
        count = len(instance)
        if subject >= count:
            raise InputError(f"{subjects} has {count} subjects and no number {subject}")
        latents, classes = map_array(subjects, "latents"), map_array(prior, "latents")
        if len(classes) % count or classes.shape[1:] != latents.shape[1:]:
            raise InputError(f"{prior} is not of {subjects}; delete it and run again")
        of_class = len(classes) // count
        self.images = torch.from_numpy(np.array(latents[numbers == subject]))
        rows = slice(subject * of_class, (subject + 1) * of_class)
        self.prior = torch.from_numpy(np.array(classes[rows]))
        own = (instance[subject], noun[subject])
        self.texts = torch.from_numpy(np.stack(own)).float()
        """[2, L, D], of the subject's prompt and the class's"""


class SubjectAndPrior:
    """The task of the training loop: denoise the subject, and still the class as before."""

    def __init__(self, spec: DreamBoothSpec, lesson: Lesson, pretrained: Denoiser):
        if tuple(lesson.images.shape[1:]) != input_shape(pretrained):
            raise InputError(
                f"--model: its latents are not of shape {tuple(lesson.images.shape[1:])}"
            )
        if lesson.texts.shape[-1] != pretrained.config.cross_attention_dim:
            raise InputError("--model: attends to embeddings of another width than the subjects'")
        self._spec, self._lesson = spec, lesson
        self.module = copy.deepcopy(pretrained).requires_grad_(True).train()
        self.module.to(memory_format=torch.channels_last)
        self.count = len(lesson.images)
        self._process = process_of(spec.diffusion)

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Weighted squared error of each image, plus that of a class image; [len(indices)]."""
        spec, lesson = self._spec, self._lesson
        of_class = order_at(len(lesson.prior), spec.seed, positions)
        clean = torch.cat([lesson.images[indices], lesson.prior[of_class]]).to(device)
        texts = lesson.texts.repeat_interleave(len(indices), dim=0).to(device)
        generators = list(row_generators(Stream.DREAMBOOTH, spec.seed, positions))
        levels, noise = [], []
        for _ in ("subject", "class"):
            for generator in generators:
                levels.append(self._process.draw(generator))
                noise.append(torch.randn(clean.shape[1:], generator=generator))

        def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            return module(noisy, timesteps, texts, return_dict=False)[0]

        drawn = torch.stack(noise).to(device), torch.stack(levels)
        losses = denoising_losses(self._process, predict, clean, *drawn, spec.min_snr_gamma)
        own, prior = losses.chunk(2)
        return own + spec.teaching.prior_weight * prior


def order_at(count: int, seed: int, positions: np.ndarray) -> np.ndarray:
    """Data indices at these positions, in any order: a new shuffle of `count` every epoch."""
    start = int(positions.min())
    return order(count, seed, start, int(positions.max()) - start + 1)[positions - start]


def make_plan(spec: DreamBoothSpec) -> Plan:
    """The loop's plan of a spec."""
    settings = spec.teaching.model_dump(exclude={"prior_weight"})
    training = Optimisation(**settings, decay="constant", warmup_images=0)
    plan = train.make_plan(training, spec.seed, "dreambooth.lr")
    return replace(plan, log_images=8 * training.batch)  # runs are short


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, DreamBoothSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument("--subjects", required=True, type=Path, help="encoded subjects")
    arguments.add_argument("--prior", required=True, type=Path, help="latents of their classes")
    train.add_hardware(arguments)
    options = arguments.parse_args()
    spec: DreamBoothSpec = options.spec
    pretrained = load(options.model)
    sources = [fingerprint_of(path) for path in (options.subjects, options.prior)]
    lesson = Lesson(options.subjects, options.prior, spec.subject)
    task = SubjectAndPrior(spec, lesson, pretrained)
    label = f"{spec.stage} {spec.size} seed {spec.seed} subject {spec.subject}"
    sources.append(weights_hash(pretrained))
    # of a short training, and eight times its model: those of all subjects would fill a disk
    train.train_task(options, task, make_plan(spec), label, tuple(sources), keep_state=False)


if __name__ == "__main__":
    run(main)
