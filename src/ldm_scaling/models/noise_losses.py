"""Losses of held-out images by bands of noise levels, for every kept checkpoint of one model.

Writes `losses`, float32 [checkpoints, bands, n]: the squared error of the prediction, with its
caption and without a weight. An image has the same noise, and in a band the same level, for every
checkpoint and model. `trained` [checkpoints] are fractions of the training, the last of them 1, and
`borders` [bands + 1] the noise levels at which bands begin.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from ..diffusion.process import Process, denoising_losses, process_of
from ..jobs.arrays import write_arrays
from ..jobs.cli import InputError, Progress, add_batch, add_gpus, batches, parser, run
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import fingerprint
from ..latents.autoencoder import weights_hash
from ..latents.pairs import Pairs, open_pairs
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..workflow.specs.noise import NoiseLossesSpec
from .denoiser import Denoiser, load

BATCH = 256
"""images at a time, unless the command says fewer"""


@torch.inference_mode()
def noise_losses(
    process: Process,
    network: Denoiser,
    pairs: Pairs,
    borders: list[int],
    n: int,
    seed: int,
    batch: int = BATCH,
) -> np.ndarray:
    """The losses [bands, n] of the first n images.

    Row i has a level of each band, and noise, that depend on the seed and on i alone.
    """
    bands = [range(*ends) for ends in pairwise(borders)]
    found = np.empty((len(bands), n), np.float32)
    for rows in batches(n, batch):
        numbers = np.arange(n)[rows]
        clean, captions = pairs.read(numbers, network.device)
        levels, noise = [], []
        for generator in row_generators(Stream.NOISE_LOSSES, seed, numbers):
            levels.append(torch.stack([process.draw(generator, band) for band in bands]))
            noise.append(torch.randn(pairs.latent_shape, generator=generator))
        eps = torch.stack(noise).to(network.device)

        def predict(
            noisy: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor = captions
        ) -> torch.Tensor:
            return network(noisy, timesteps, text, return_dict=False)[0]

        for band, own in enumerate(torch.stack(levels, dim=1)):
            losses = denoising_losses(process, predict, clean, eps, own, None)
            found[band, rows] = losses.cpu().numpy()
    return found


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, NoiseLossesSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument("--latents", required=True, type=Path, help="of held-out images")
    arguments.add_argument("--text", required=True, type=Path, help="their text embeddings")
    arguments.add_argument("--out", required=True, type=Path, help="file to write")
    add_gpus(arguments)
    add_batch(arguments, BATCH)
    options = arguments.parse_args()
    spec: NoiseLossesSpec = options.spec
    check_gpus(options.gpus)
    pairs, files = open_pairs([options.latents], [options.text], None, None, None)
    if pairs.count < spec.n:
        raise InputError(f"{options.latents} has {pairs.count} images, fewer than {spec.n}")
    process, device = process_of(spec.diffusion), own_device()
    borders = process.clusters(spec.bands)
    kept = [*sorted(spec.keep), None]
    losses, hashes, progress = [], [], Progress("checkpoints", len(kept))
    for number, trained in enumerate(kept, start=1):
        network = load(options.model, trained).to(device, memory_format=torch.channels_last)
        hashes.append(weights_hash(network))
        network = in_precision(network, precision())
        own = noise_losses(process, network, pairs, borders, spec.n, spec.seed, options.batch)
        losses.append(own)
        progress.update(number)
    arrays = {
        "losses": np.stack(losses),
        "trained": np.array([trained or 1.0 for trained in kept]),
        "borders": np.array(borders),
    }
    write_arrays(options.out, arrays, fingerprint(spec, *hashes, *files))


if __name__ == "__main__":
    run(main)
