"""Fit the distribution of a one-step student's initial noise to a score; the student stays.

Preference inversion (arXiv 2404.00879): the noise of an image is mu + sigma * unit noise, with mu
and sigma the same for all captions or given by a small network of the caption. The gradient of the
score goes through its network, the decoder and the student. The loss is the negative score, plus
the divergence of the distribution from unit noise times a weight: what students have learned is to
denoise unit noise, and without it sigma falls to 0 and all images of a caption become one.
Captions are those of the training split. Writes the distribution with the averaged weights,
metrics.jsonl and summary.json.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..data.captions import read_column
from ..jobs.arrays import write_arrays
from ..jobs.cli import Slice, add_work_dir, parser, run
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import WorkDir, file_hash, fingerprint, write_json, write_text
from ..models import noise as noises
from ..models.noise import NoiseDistribution, divergence
from ..models.train import make_plan
from ..training.devices import own_device
from ..training.loop import Trainer
from ..training.network import Network
from ..training.summary import jsonl, training_summary
from ..workflow.specs.inversion import InvertSpec
from .sample import add_sampler, load_sampler
from .verifier import load_verifier

Text = Callable[[np.ndarray], torch.Tensor]
"""numbers of captions [B] to their embeddings [B, L, D]"""
Score = Callable[[torch.Tensor, torch.Tensor, np.ndarray], torch.Tensor]
"""noise [B, C, h, w], embeddings [B, L, D] and numbers of captions [B] to scores [B]"""


class Inversion:
    """The task of the training loop: a distribution of noise whose images score high."""

    def __init__(
        self,
        distribution: NoiseDistribution,
        text: Text,
        score: Score,
        count: int,
        seed: int,
        kl_weight: float,
    ):
        """`count` captions; noise is drawn from the seed."""
        self.module: Network = distribution
        self.count, self._shape = count, distribution.shape
        self._text, self._score, self._seed, self._weight = text, score, seed, kl_weight

    def losses(
        self,
        module: Network,
        indices: np.ndarray,
        positions: np.ndarray,
        device: torch.device,
    ) -> torch.Tensor:
        """Weighted divergence less score of each image; shape [len(indices)]."""
        text = self._text(indices).to(device)
        generators = row_generators(Stream.INVERSION, self._seed, positions)
        unit = torch.stack([torch.randn(self._shape, generator=own) for own in generators])
        mean, log_deviation = module(text)
        scores = self._score(mean + log_deviation.exp() * unit.to(device), text, indices)
        return self._weight * divergence(mean, log_deviation) - scores


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, InvertSpec)
    add_sampler(arguments)
    arguments.add_argument("--captions", required=True, type=Path, help="captions of --text")
    arguments.add_argument("--clip-like", type=Path, help="maps, if metrics.clip_like is set")
    arguments.add_argument("--weights", type=Path, help="file of an extractor that has one")
    arguments.add_argument("--out", required=True, type=Path, help="folder of the distribution")
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: InvertSpec = options.spec
    captions, device = read_column(options.captions, "caption"), own_device()
    sampler, decides = load_sampler(options, spec.diffusion, len(captions))
    verifier, scores = load_verifier(spec.verifier, options.clip_like, options.weights, device)
    embedded = verifier.embed(captions)
    shape, text_width = sampler.latent_shape, sampler.text([0]).shape[-1]

    def score(noise: torch.Tensor, text: torch.Tensor, indices: np.ndarray) -> torch.Tensor:
        pixels = sampler.one_step(noise, text, spec)
        return verifier.score(pixels, embedded[torch.from_numpy(indices)].to(pixels.device))

    distribution = noises.build(spec.noise, shape, text_width, spec.width or 0, spec.seed)
    task = Inversion(distribution, sampler.text, score, len(captions), spec.seed, spec.kl_weight)
    plan = make_plan(spec.fitting, spec.seed, "inversion.lr")
    content = fingerprint(spec, *decides, *scores, file_hash(options.captions))
    label = f"invert {spec.noise} {spec.size} seed {spec.seed}"
    with WorkDir(options.work_dir, content) as work:
        trainer = Trainer(task, plan, work, label)
        trainer.run(Slice(options.max_seconds))
        arrays = {name: value.cpu().numpy() for name, value in trainer.averaged.items()}
        write_arrays(options.out / noises.FILE, arrays, content)
        write_text(options.out / "metrics.jsonl", jsonl(trainer.state.log))
        summary = training_summary(trainer, spec=spec.model_dump())
        write_json(options.out / "summary.json", summary)
    print(f"{label}: {trainer.state.seconds:.0f} s of fitting")


if __name__ == "__main__":
    run(main)
