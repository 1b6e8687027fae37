"""Losses of held-out images by bands of noise levels, for every kept checkpoint of one model.

Writes `losses`, float32 [checkpoints, bands, n]: the squared error of the prediction, with its
caption and without a weight. An image has the same noise, and in a band the same level, for every
checkpoint and model. `trained` [checkpoints] are fractions of the training, the last of them 1, and
`borders` [bands + 1] the noise levels at which bands begin. The work folder keeps what is done.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from ..diffusion.process import Process, denoising_losses, process_of
from ..jobs.arrays import write_arrays
from ..jobs.cli import InputError, Slice, add_batch, add_gpus, add_work_dir, parser, run
from ..jobs.pieces import in_pieces
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import WorkDir, fingerprint
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
    numbers: np.ndarray,
    seed: int,
) -> np.ndarray:
    """The losses [len(numbers), bands] of the images with these numbers, float32.

    Image i has a level of each band, and noise, that depend on the seed and on i alone.
    """
    bands = [range(*ends) for ends in pairwise(borders)]
    clean, captions = pairs.read(numbers, network.device)
    levels, noise = [], []
    for generator in row_generators(Stream.NOISE_LOSSES, seed, numbers):
        levels.append(torch.stack([process.draw(generator, band) for band in bands]))
        noise.append(torch.randn(pairs.latent_shape, generator=generator))
    eps = torch.stack(noise).to(network.device)

    def predict(noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return network(noisy, timesteps, captions, return_dict=False)[0]

    found = [
        denoising_losses(process, predict, clean, eps, own, None)
        for own in torch.stack(levels, dim=1)
    ]
    return torch.stack(found, dim=1).cpu().numpy()


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, NoiseLossesSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument("--latents", required=True, type=Path, help="of held-out images")
    arguments.add_argument("--text", required=True, type=Path, help="their text embeddings")
    arguments.add_argument("--out", required=True, type=Path, help="file to write")
    add_gpus(arguments)
    add_batch(arguments, BATCH)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: NoiseLossesSpec = options.spec
    time_slice = Slice(options.max_seconds)
    check_gpus(options.gpus)
    pairs, files = open_pairs([options.latents], [options.text], None, None, None)
    if pairs.count < spec.n:
        raise InputError(f"{options.latents} has {pairs.count} images, fewer than {spec.n}")
    process, device = process_of(spec.diffusion), own_device()
    borders = process.clusters(spec.bands)
    kept = [*sorted(spec.keep), None]
    hashes = [weights_hash(load(options.model, trained)) for trained in kept]
    content = fingerprint(spec, *hashes, *files)

    @lru_cache(maxsize=1)
    def network_at(checkpoint: int) -> Denoiser:
        network = load(options.model, kept[checkpoint])
        return in_precision(network.to(device, memory_format=torch.channels_last), precision())

    def compute(rows: slice) -> dict[str, np.ndarray]:
        """Losses of rows of all checkpoints' images, one checkpoint after the other."""
        checkpoints, numbers = np.divmod(np.arange(len(kept) * spec.n)[rows], spec.n)
        parts = [
            noise_losses(
                process, network_at(own), pairs, borders, numbers[checkpoints == own], spec.seed
            )
            for own in np.unique(checkpoints)
        ]
        return {"losses": np.concatenate(parts)}

    total = len(kept) * spec.n
    with WorkDir(options.work_dir, content) as work:
        pieces = in_pieces("images", total, options.batch, compute, work, time_slice)
        losses = pieces.rows("losses").reshape(len(kept), spec.n, spec.bands)
        arrays = {
            "losses": np.ascontiguousarray(losses.swapaxes(1, 2)),
            "trained": np.array([trained or 1.0 for trained in kept]),
            "borders": np.array(borders),
        }
        write_arrays(options.out, arrays, content)


if __name__ == "__main__":
    run(main)
