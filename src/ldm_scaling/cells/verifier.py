"""Scores of images against captions that gradients pass through, for what optimises the noise.

They are the study's own scores of cells, on images that are not rounded to 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.nn.functional import interpolate, normalize

from ..jobs.cli import InputError, batches
from ..jobs.workdir import file_hash
from ..latents.autoencoder import weights_hash
from ..latents.text_encoder import CaptionEncoder
from ..workflow.specs.seen import ScoreSpec
from .features import Network, extractor_module
from .metrics.clip_like import Map, maps_hash, read_map
from .scores import load_towers

BATCH = 64
"""captions that are embedded at a time"""


class Verifier(NamedTuple):
    """What embeds images and captions in a space that they share."""

    images: Callable[[torch.Tensor], torch.Tensor]
    """RGB images [B, 3, S, S] in [0, 1] to unit vectors [B, W], with gradients"""
    texts: Callable[[list[str]], torch.Tensor]
    """captions [B] to unit vectors [B, W]"""
    scale: float = 1.0
    """by which a cosine is multiplied"""

    def score(self, pixels: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Scores [B] of images with the unit vectors [B, W] of their captions."""
        return self.scale * (self.images(pixels) * captions).sum(dim=-1)

    @torch.no_grad()
    def embed(self, captions: Sequence[str]) -> torch.Tensor:
        """Unit vectors [N, W] of captions; equal ones are embedded once."""
        distinct = sorted(set(captions), key=lambda text: (len(text), text))  # so little is padding
        parts = [self.texts(distinct[rows]) for rows in batches(len(distinct), BATCH)]
        place = {text: number for number, text in enumerate(distinct)}
        return torch.cat(parts)[[place[text] for text in captions]]


def resized(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """Images [B, 3, S, S] at another side, as PIL's bicubic filter has them, within [0, 1]."""
    return interpolate(pixels, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def mapped(own: Map, device: torch.device | str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A map of the CLIP-like score in torch: features [B, D] to unit vectors [B, W]."""
    mean, scale, weight = (torch.from_numpy(np.array(part)).float().to(device) for part in own)
    return lambda features: normalize(((features - mean) / scale) @ weight, dim=-1)


def of_features(
    network: Network, side: int, images: Map, device: torch.device | str
) -> Callable[[torch.Tensor], torch.Tensor]:
    """What embeds images [B, 3, S, S] in [0, 1] by an extractor and the map of its features."""
    onto = mapped(images, device)

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        seen = 255 * resized(pixels, side)
        return onto(network(seen.contiguous(memory_format=torch.channels_last)).float())

    return embed


def load_verifier(
    spec: ScoreSpec, maps: Path | None, weights: Path | None, device: torch.device | str
) -> tuple[Verifier, list[str]]:
    """The verifier on a device, and hashes of what decides its scores.

    `maps` are those of the CLIP-like score, `weights` the file of an extractor that has one. Raises
    InputError if a file is missing or unusable.
    """
    if spec.scorer:
        towers = load_towers(spec.scorer, device)
        first, *_, standardize = cast(Any, towers.preprocess).transforms  # of OpenCLIP

        def images(pixels: torch.Tensor) -> torch.Tensor:
            return towers.images(standardize(resized(pixels, first.size)))

        return Verifier(images, towers.texts, towers.scale), list(map(file_hash, spec.scorer.files))
    if maps is None:
        raise InputError("--clip-like: the maps of the score are needed")
    assert spec.extractor and spec.text_encoder
    encoder = CaptionEncoder(spec.text_encoder, device)
    network = extractor_module(spec.extractor.name).load(device, weights or spec.extractor.weights)
    onto = mapped(read_map(maps, "text"), device)
    found = Verifier(
        of_features(network, spec.extractor.input_size, read_map(maps, "image"), device),
        lambda captions: onto(encoder.sentences(captions)),
    )
    return found, [maps_hash(maps), weights_hash(encoder.model)]
