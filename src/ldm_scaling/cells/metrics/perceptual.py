"""Perceptual distances of two images: LPIPS, and its kind without the weights of its layers.

LPIPS (Zhang et al. 2018, https://arxiv.org/abs/1801.03924) compares the layers of a network for
classification, each weighted as people's judgements would have it. `lpips_{network}` is LPIPS
0.1 with a backbone as torchvision publishes it. `lpips_like_squeezenet` is the distance without
these weights over the same layers of another SqueezeNet 1.1, whose weights a package brings: it
orders images of one study and is not comparable with LPIPS. Images below 64 pixels are enlarged.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from ...jobs.cli import InputError, first_line
from ...study.superres import LPIPS_LIKE
from ...training.network import Network

LEAST_SIDE = 64
"""pixels, for which these networks' layers are not all border"""
BGR_MEAN = (103.939, 116.779, 123.68)
"""of ImageNet, as networks of Caffe have it"""

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""uint8 images and originals [B, 3, S, S], to float32 [B]; 0 where they agree"""


class CaffePixels(nn.Module):
    """From RGB in [-1, 1] to BGR in [0, 255] less its mean."""

    mean: torch.Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(BGR_MEAN)[:, None, None])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, S, S]."""
        return (pixels.flip(1) + 1) * 127.5 - self.mean


def _load_backbone(model: Network, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Load torchvision's `features.{layer}...` where the package keeps them, in slices."""
    layers = {name.removeprefix("features."): value for name, value in weights.items()}
    state = {
        name: layers.get(name.partition(".")[2]) for name in model.net.state_dict()
    }  # slice1.0.weight is layer 0's
    try:
        model.net.load_state_dict(state)
    except (RuntimeError, AttributeError):
        raise InputError(
            f"{path} lacks the weights of {model.pnet_type}; name the file that torchvision"
            " publishes of it"
        ) from None


def load_network(name: str, path: Path) -> Network:
    """The network of a perceptual distance. Raises InputError if its file is missing or another."""
    from lpips import LPIPS  # a second of torchvision that other studies need not pay

    kind = "squeeze" if name == LPIPS_LIKE else name.removeprefix("lpips_")
    if not path.exists():
        remedy = "see superres.lpips.weights" if name != LPIPS_LIKE else "run make prefetch"
        raise InputError(f"{path} is missing; {remedy}")
    try:
        if name == LPIPS_LIKE:
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn file raises whatever its reader raises
        reason = first_line(error)
        raise InputError(f"{path} is no file of weights ({reason}); fetch it again") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it asks torchvision in an old way
        model: Any = LPIPS(net=kind, lpips=name != LPIPS_LIKE, pnet_rand=True, verbose=False)
    _load_backbone(model, weights, path)
    if name == LPIPS_LIKE:
        model.scaling_layer = CaffePixels()
    return model.eval().requires_grad_(False)


def load_distance(name: str, path: Path, device: torch.device | str = "cpu") -> Distance:
    """A perceptual distance by its name. Raises InputError as `load_network`."""
    model = load_network(name, path).to(device)

    def pixels(images: np.ndarray) -> torch.Tensor:
        scaled = torch.from_numpy(np.array(images)).to(device).float() / 127.5 - 1
        if scaled.shape[-1] >= LEAST_SIDE:
            return scaled
        return functional.interpolate(
            scaled, (LEAST_SIDE, LEAST_SIDE), mode="bilinear", align_corners=False
        )

    @torch.inference_mode()
    def distance(images: np.ndarray, originals: np.ndarray) -> np.ndarray:
        return model(pixels(images), pixels(originals)).flatten().cpu().numpy()

    return distance
