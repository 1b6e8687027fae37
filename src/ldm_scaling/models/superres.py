"""Train a size for four-fold super-resolution, from its pretrained model or from scratch.

The U-Net sees the latents of the enlarged low-resolution image beside the noisy ones, as further
input channels whose weights start at zero, and the empty caption (Mei et al., arXiv 2404.01367,
section 4.2). Writes the same folder as pretraining, and continues likewise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..diffusion.process import denoising_losses, process_of
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, parser, run
from ..jobs.seeds import Stream, row_generators
from ..kinds.stages import SCRATCH
from ..latents.autoencoder import weights_hash
from ..latents.pairs import PackedPairs, Pairs
from ..workflow.specs.superres import SuperResSpec
from .denoiser import Denoiser, build, conditioned, input_shape, load
from .train import add_training, make_plan, train


class SuperResolution:
    """The task of the training loop: predict the noise (or v) beside the low-resolution latents."""

    def __init__(
        self, spec: SuperResSpec, pairs: PackedPairs, condition: np.ndarray, base: Denoiser
    ):
        """Raises InputError if the base's latents are others, or not one of each is conditioned."""
        if input_shape(base) != pairs.latent_shape:
            raise InputError(f"--base: its latents are not of shape {pairs.latent_shape}")
        if condition.shape != (pairs.count, *pairs.latent_shape):
            raise InputError(
                f"--condition: {list(condition.shape)} are not the low-resolution latents of"
                f" {pairs.count} images; delete the file and run again"
            )
        self._spec, self._pairs, self._condition = spec, pairs, condition
        self.module = conditioned(base).to(memory_format=torch.channels_last)
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._process = process_of(spec.diffusion)

    def losses(
        self, module: Denoiser, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Weighted squared error of each image; shape [len(indices)]."""
        spec, shape, levels, noise = self._spec, self._pairs.latent_shape, [], []
        for generator in row_generators(Stream.SUPERRES, spec.seed, positions):
            levels.append(self._process.draw(generator))
            noise.append(torch.randn(shape, generator=generator))
        clean = self._pairs.latents(indices, device)
        low = torch.from_numpy(np.array(self._condition[indices])).to(device).float()
        text = self._pairs.empty.to(device).expand(len(indices), -1, -1)

        def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
            return module(torch.cat([noisy, low], dim=1), timesteps, text, return_dict=False)[0]

        eps, gamma = torch.stack(noise).to(device), spec.training.min_snr_gamma
        return denoising_losses(self._process, predict, clean, eps, torch.stack(levels), gamma)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, SuperResSpec)
    add_training(arguments)
    arguments.add_argument(
        "--condition", required=True, type=Path, help="latents of the enlarged images"
    )
    arguments.add_argument("--base", type=Path, help="folder of the pretrained model")
    options = arguments.parse_args()
    spec: SuperResSpec = options.spec
    if (options.base is None) != (spec.stage == SCRATCH):
        raise InputError(f"--base: {spec.stage} {'has none' if options.base else 'needs one'}")
    base = load(options.base) if options.base else None

    def task(pairs: Pairs) -> SuperResolution:
        assert isinstance(pairs, PackedPairs)  # nothing is encoded while training
        network = base
        if network is None:
            assert spec.family  # of a model from scratch
            torch.manual_seed(spec.seed)
            network = build(spec.family, spec.size, pairs.latent_shape, pairs.text_width)
        return SuperResolution(spec, pairs, map_array(options.condition, "latents"), network)

    depends_on = (fingerprint_of(options.condition), weights_hash(base) if base else "")
    plan = make_plan(spec.training, spec.seed, "superres.lr", spec.training.keep)
    train(options, task, plan, depends_on=depends_on)


if __name__ == "__main__":
    run(main)
