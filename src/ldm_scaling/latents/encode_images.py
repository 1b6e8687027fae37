"""Turn a split's images into latents, once.

Writes `latents` (float32, [N, C, h, w], scaled to about unit variance) as a safetensors file that
training reads through a memory map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..cli import InputError, Slice, add_work_dir, parser, run
from ..shards import fingerprint_of, map_array, write_arrays
from ..specs import EncodeImagesSpec
from ..workdir import WorkDir, fingerprint
from .autoencoder import encode, load, weights_hash
from .pieces import rows_in_pieces

BATCH = 64


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, EncodeImagesSpec)
    arguments.add_argument("--images", required=True, type=Path, help="images of a split")
    arguments.add_argument("--out", required=True, type=Path, help="file of latents")
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: EncodeImagesSpec = options.spec
    time_slice = Slice(options.max_seconds)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    autoencoder = load(spec.autoencoder, spec.revision).to(device)
    images = map_array(options.images, "images")

    side = images.shape[-1] // spec.downsampling
    expected = (spec.latent_channels, side, side)
    found = tuple(encode(autoencoder, images[:1]).shape[1:])
    if found != expected:
        raise InputError(
            f"latents.autoencoder: {spec.autoencoder} makes latents of {found}, not {expected}; "
            f"set latent_channels: {found[0]} and downsampling: {images.shape[-1] // found[-1]}"
        )

    def compute(rows: slice) -> np.ndarray:
        return encode(autoencoder, images[rows]).cpu().numpy()

    content = fingerprint(spec, fingerprint_of(options.images), weights_hash(autoencoder))
    with WorkDir(options.work_dir, content) as work:
        latents = rows_in_pieces("encoding images", len(images), BATCH, compute, work, time_slice)
        write_arrays(options.out, {"latents": latents}, content)
    print(f"{len(latents)} latents of {latents.shape[1:]}, standard deviation {latents.std():.3f}")


if __name__ == "__main__":
    run(main)
