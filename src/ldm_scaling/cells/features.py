"""Features of images, by a frozen network; the images may first go through the autoencoder.

Writes `features` (float16, [N, D]) of the images of a split, and with a CLIP model `clip`
(float32, [N]), their cosines with their captions. Images are resized by clean-fid (Parmar et al.
2022, https://arxiv.org/abs/2104.11222): an antialiased float resize without a second rounding to
8 bits.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from cleanfid.resize import make_resizer

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.cli import InputError, Progress, batches, parser, run
from ..jobs.workdir import file_hash, fingerprint
from ..latents.autoencoder import add_autoencoder, load_named, reconstruct, weights_hash
from ..training.devices import own_device
from ..workflow.specs.cells import CellSpec
from ..workflow.specs.measuring import FeaturesSpec
from .metrics.clip_score import ClipScore
from .metrics.fidelity import Fidelity, load_fidelity

BATCH = 64

Network = Callable[[torch.Tensor], torch.Tensor]
"""resized RGB images [B, 3, s, s], float32 in [0, 255], to features [B, D]"""


class Extractor:
    """Turns images into features; what it gives for an image depends on that image alone."""

    def __init__(self, network: Network, input_size: int, device: torch.device | str):
        self._network, self._device = network, device
        self._resize = make_resizer("PIL", False, "bicubic", (input_size, input_size))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features [B, D], float32, of RGB images [B, 3, S, S], uint8."""
        parts = [self._features(images[rows]) for rows in batches(len(images), BATCH)]
        return np.concatenate(parts)

    @torch.inference_mode()
    def _features(self, images: np.ndarray) -> np.ndarray:
        resized = np.stack([self._resize(image) for image in images.transpose(0, 2, 3, 1)])
        # a view of [B, s, s, 3] is what channels_last means
        pixels = torch.from_numpy(resized).permute(0, 3, 1, 2).to(self._device)
        return self._network(pixels).float().cpu().numpy()


def load_extractor(
    name: str, input_size: int, device: torch.device | str = "cpu", weights: Path | None = None
) -> Extractor:
    """The extractor of this name, which sees images of `input_size` pixels a side.

    Raises InputError if its weights are unusable.
    """
    return Extractor(extractor_module(name).load(device, weights), input_size, device)


def extractor_module(name: str) -> ModuleType:
    """What loads an extractor, and makes it without weights."""
    return importlib.import_module(f"{__package__}.extractors.{name}")


def add_measuring(to: argparse.ArgumentParser) -> None:
    """Add the arguments of a job that measures images."""
    to.add_argument("--weights", type=Path, help="file of an extractor that no package brings")
    to.add_argument("--captions", type=Path, help="captions of the images, for a CLIP model")
    to.add_argument("--originals", type=Path, help="of super-resolution: the images it is to find")
    to.add_argument("--perceptual", type=Path, help="weights of the distance to these")


@dataclass(frozen=True)
class Measuring:
    """What turns images into the numbers that metrics are made of."""

    extractor: Extractor | None
    """None where images are not compared with real ones"""
    clip: ClipScore | None
    """None without a CLIP model"""
    files: tuple[str, ...] = ()
    """hashes of the files behind them"""
    fidelity: Fidelity | None = None
    """None except for super-resolution"""


def load_measuring(
    spec: CellSpec | FeaturesSpec, options: argparse.Namespace, n: int, device: torch.device | str
) -> Measuring:
    """What measures n images, from the arguments of `add_measuring`.

    Raises InputError if there are fewer captions, or if a network's files are unusable.
    """
    extractor = None
    if spec.extractor:
        extractor = load_extractor(spec.extractor, spec.input_size, device, options.weights)
    paths = [] if options.weights is None else [options.weights]
    if perceptual := getattr(spec, "perceptual", None):
        fidelity = load_fidelity(perceptual, options, n, device)
        hashes = (*map(file_hash, [*paths, options.perceptual]), fingerprint_of(options.originals))
        return Measuring(extractor, None, hashes, fidelity)
    if spec.clip is None:
        return Measuring(extractor, None, tuple(map(file_hash, paths)))
    if options.captions is None:
        raise InputError("metrics.clip: --captions FILE is needed")
    captions = read_column(options.captions, "caption")
    if len(captions) < n:
        raise InputError(f"{options.captions} has {len(captions)} rows, fewer than {n} images")
    clip = ClipScore(spec.clip, captions[:n], device)
    paths += [*spec.clip.files, options.captions]
    return Measuring(extractor, clip, tuple(map(file_hash, paths)))


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, FeaturesSpec)
    arguments.add_argument("--images", required=True, type=Path, help="images of a split")
    add_autoencoder(arguments, required=False)  # images first go through it
    arguments.add_argument("--out", required=True, type=Path, help="file of features")
    add_measuring(arguments)
    options = arguments.parse_args()
    spec: FeaturesSpec = options.spec
    device = own_device()
    images = map_array(options.images, "images")
    measuring = load_measuring(spec, options, len(images), device)
    assert measuring.extractor  # with prompts alone there are no images of a split
    autoencoder = None
    if options.autoencoder:
        autoencoder = load_named(options).to(device)
    progress = Progress("features", len(images))
    parts: dict[str, list[np.ndarray]] = {"features": []}
    if measuring.clip:
        parts["clip"] = []
    for rows in batches(len(images), BATCH):
        seen = images[rows] if autoencoder is None else reconstruct(autoencoder, images[rows])
        parts["features"].append(measuring.extractor(seen).astype(np.float16))
        if measuring.clip:
            parts["clip"].append(measuring.clip(seen, rows))
        progress.update(rows.stop)
    content = fingerprint(
        spec,
        fingerprint_of(options.images),
        autoencoder and weights_hash(autoencoder),
        *measuring.files,
    )
    arrays = {name: np.concatenate(own) for name, own in parts.items()}
    write_arrays(options.out, arrays, content)


if __name__ == "__main__":
    run(main)
