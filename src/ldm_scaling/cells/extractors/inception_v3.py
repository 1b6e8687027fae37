"""The Inception-v3 of FID, from clean-fid's TorchScript file; its 2048 pooled features.

Source: Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, with the weights of Heusel et al.
2017; input and output as in cleanfid.inception_torchscript.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...jobs.cli import InputError
from ...study.metrics import FeatureNetwork

PREFETCH = "run: snakemake --cores 1 prefetch (with the study's --configfile)"


def load(
    device: torch.device | str, weights: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The extractor on a device. Raises InputError if its file is missing or another one."""
    if weights is None:
        raise InputError("metrics.extractors: inception_v3 needs --weights FILE")
    if not weights.exists():
        raise InputError(f"{weights} is missing; {PREFETCH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch would like other formats
            layers = torch.jit.load(weights, map_location=device).eval().layers
    except (RuntimeError, AttributeError):
        raise InputError(
            f"{weights} is not clean-fid's network; delete it and {PREFETCH}"
        ) from None

    def features(pixels: torch.Tensor) -> torch.Tensor:
        return layers((pixels.contiguous() - 128) / 128).flatten(1)

    return features


def untrained(own: FeatureNetwork) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same arithmetic on the meta device, to be counted: 5.7 G multiply-adds at 299 pixels.

    torchvision's network, which has the same convolutions; clean-fid's is a file of weights.
    """
    from torchvision.models import inception_v3

    with torch.device("meta"):
        network: Any = inception_v3(weights=None, aux_logits=False, init_weights=False)
    network.fc = nn.Identity()
    return network.eval()
