"""Turn a split's images into latents, once.

Writes `latents` (float32, [N, C, h, w], scaled to about unit variance) as a safetensors file that
training reads through a memory map.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, Slice
from ..jobs.command import Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, fingerprint
from ..training.devices import own_device, to_encode
from ..training.network import Network
from ..workflow.specs.latents import EncodeImagesSpec
from .autoencoder import encode, load, weights_hash

BATCH = 64
SHOWN = 4096
"""number of latents whose standard deviation is printed"""


def check_latents(autoencoder: Network, spec: EncodeImagesSpec, images: np.ndarray) -> None:
    """Raise InputError if latents of images, uint8 [N, 3, S, S], differ from the spec's shape."""
    side = images.shape[-1] // spec.downsampling
    expected = (spec.latent_channels, side, side)
    found = tuple(encode(autoencoder, images).shape[1:])
    if found != expected:
        raise InputError(
            f"latents.autoencoder: {spec.autoencoder} makes latents of {found}, not {expected}; "
            f"set latent_channels: {found[0]} and downsampling: {images.shape[-1] // found[-1]}"
        )


@command
def main(
    spec: EncodeImagesSpec,
    images: Annotated[Path, "images of a split"],
    out: Annotated[Path, "file of latents"],
    job: Resumable,
) -> None:
    time_slice = Slice(job.max_seconds)
    autoencoder = load(spec.autoencoder, spec.revision)
    content = fingerprint(spec, fingerprint_of(images), weights_hash(autoencoder))
    autoencoder = to_encode(autoencoder, own_device())
    pixels = map_array(images, "images")

    check_latents(autoencoder, spec, pixels[:1])

    def compute(rows: slice) -> dict[str, np.ndarray]:
        return {"latents": encode(autoencoder, pixels[rows]).cpu().numpy()}

    with WorkDir(job.work_dir, content) as work:
        pieces = in_pieces("encoding images", len(pixels), BATCH, compute, work, time_slice)
        pieces.finish(out, content)
    latents = map_array(out, "latents")
    spread = latents[:SHOWN].std()
    print(f"{len(latents)} latents of {latents.shape[1:]}, standard deviation {spread:.3f}")
