"""Features of images, by a frozen network; the images may first go through the autoencoder.

Writes `features` (float16, [N, D]) of the images of a split by the first extractor, those by
another one under its name, and their scores (float32, [N]) under the scorer's. Images are resized
by clean-fid (Parmar et al. 2022, https://arxiv.org/abs/2104.11222): an antialiased float resize
without a second rounding to 8 bits.
"""

from __future__ import annotations

import argparse
import importlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from cleanfid.resize import make_resizer

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.cli import InputError, Progress, batches, first_line, parser, run
from ..jobs.workdir import file_hash, fingerprint
from ..latents.autoencoder import add_autoencoder, load_named, reconstruct, weights_hash
from ..latents.pretrained import find
from ..study.metrics import FEATURES, FeatureNetwork
from ..training.devices import own_device
from ..workflow.specs.cells import CellSpec
from ..workflow.specs.measuring import FeaturesSpec
from .metrics.fidelity import Fidelity, load_fidelity
from .scores import CaptionScorer

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
    own: FeatureNetwork, device: torch.device | str = "cpu", file: Path | None = None
) -> Extractor:
    """An extractor; `file` has its weights if it takes one.

    Raises InputError if its weights are unusable.
    """
    key, weights = f"metrics.extractors: {own.name}", file if own.weights else None
    if own.pretrained:
        weights = find(key, own.pretrained, own.revision, files=own.files)
    try:
        network = extractor_module(own.name).load(device, weights)
        return Extractor(network, own.input_size, device)
    except InputError:
        raise
    except Exception as error:  # whatever a wrong configuration or torn weights lead to
        raise InputError(f"{key}: {weights} cannot be loaded ({first_line(error)})") from None


def extractor_module(name: str) -> ModuleType:
    """What loads an extractor, and makes it without weights."""
    return importlib.import_module(f"{__package__}.extractors.{name}")


def add_measuring(to: argparse.ArgumentParser) -> None:
    """Add the arguments of a job that measures images."""
    to.add_argument("--weights", type=Path, help="file of an extractor that no package brings")
    to.add_argument("--captions", type=Path, help="captions of the images, for scorers")
    to.add_argument("--originals", type=Path, help="of super-resolution: the images it is to find")
    to.add_argument("--perceptual", type=Path, help="weights of the distance to these")


@dataclass(frozen=True)
class Measuring:
    """What turns images into the numbers that metrics are made of."""

    extractors: Mapping[str, Callable[[np.ndarray], np.ndarray]]
    """by the names of their arrays; the first one's is `FEATURES`. None where images are not
    compared with real ones"""
    scorers: Mapping[str, Callable[[np.ndarray, np.ndarray | slice], np.ndarray]] = field(
        default_factory=dict
    )
    """by the names of theirs"""
    files: tuple[str, ...] = ()
    """hashes of the files behind them"""
    fidelity: Fidelity | None = None
    """None except for super-resolution"""

    def __call__(self, images: np.ndarray, rows: slice) -> dict[str, np.ndarray]:
        """Numbers of RGB images [B, 3, S, S], uint8, of these rows: arrays [B, ...] by name.

        Features are float16, scores and fidelities float32.
        """
        found = {
            name: extract(images).astype(np.float16) for name, extract in self.extractors.items()
        }
        found |= {name: score(images, rows) for name, score in self.scorers.items()}
        return found | (self.fidelity(images, rows) if self.fidelity else {})


def load_measuring(
    spec: CellSpec | FeaturesSpec, options: argparse.Namespace, n: int, device: torch.device | str
) -> Measuring:
    """What measures n images, from the arguments of `add_measuring`.

    Raises InputError if there are fewer captions, or if a network's files are unusable.
    """
    extractors = {
        own.name if number else FEATURES: load_extractor(own, device, options.weights)
        for number, own in enumerate(spec.extractors)
    }
    paths = [path for own in spec.extractors if own.pretrained for path in own.files]
    paths = [*([options.weights] if options.weights else []), *paths]
    if perceptual := getattr(spec, "perceptual", None):
        fidelity = load_fidelity(perceptual, options, n, device)
        hashes = (*map(file_hash, [*paths, options.perceptual]), fingerprint_of(options.originals))
        return Measuring(extractors, {}, hashes, fidelity)
    if not spec.scorers:
        return Measuring(extractors, {}, tuple(map(file_hash, paths)))
    if options.captions is None:
        raise InputError("metrics.scorers: --captions FILE is needed")
    captions = read_column(options.captions, "caption")
    if len(captions) < n:
        raise InputError(f"{options.captions} has {len(captions)} rows, fewer than {n} images")
    scorers = {own.name: CaptionScorer(own, captions[:n], device) for own in spec.scorers}
    paths += [*(path for own in spec.scorers for path in own.files), options.captions]
    return Measuring(extractors, scorers, tuple(map(file_hash, paths)))


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
    autoencoder = None
    if options.autoencoder:
        autoencoder = load_named(options).to(device)
    progress = Progress("features", len(images))
    parts: dict[str, list[np.ndarray]] = defaultdict(list)
    for rows in batches(len(images), BATCH):
        seen = images[rows] if autoencoder is None else reconstruct(autoencoder, images[rows])
        for name, found in measuring(seen, rows).items():
            parts[name].append(found)
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
