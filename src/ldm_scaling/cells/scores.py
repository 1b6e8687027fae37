"""Scores of images against their captions, by a model that embeds both in one space."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from ..jobs.cli import InputError, batches, first_line
from ..latents.pretrained import find
from ..study.metrics import Scorer

BATCH = 64


class Towers(NamedTuple):
    """The two networks of a scorer, on its device."""

    preprocess: Callable[[Image.Image], torch.Tensor]
    """of an RGB image: pixels [3, s, s], float32, as the network takes them"""
    images: Callable[[torch.Tensor], torch.Tensor]
    """pixels [B, 3, s, s] to unit vectors [B, D]"""
    texts: Callable[[list[str]], torch.Tensor]
    """captions [B] to unit vectors [B, D]"""
    scale: float = 1.0
    """by which a cosine is multiplied"""


class CaptionScorer:
    """Scores of images; that of an image depends on it and its caption alone."""

    def __init__(self, scorer: Scorer, captions: Sequence[str], device: torch.device | str = "cpu"):
        """Load the model and embed the captions. Raises InputError as `load_towers`."""
        self._towers, self._device = load_towers(scorer, device), device
        with torch.inference_mode():
            parts = [
                self._towers.texts(list(captions[rows])) for rows in batches(len(captions), BATCH)
            ]
        self._texts = torch.cat(parts)

    def __call__(self, images: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """Scores [B], float32, of RGB images [B, 3, S, S], uint8, with the captions `rows`."""
        cosines = (self.embed(images) * self._texts[rows]).sum(dim=1)
        return (self._towers.scale * cosines).float().cpu().numpy()

    @torch.inference_mode()
    def embed(self, images: np.ndarray) -> torch.Tensor:
        """Unit vectors [B, D] of RGB images [B, 3, S, S], uint8."""
        parts = []
        for part in batches(len(images), BATCH):
            shown = [Image.fromarray(image) for image in images[part].transpose(0, 2, 3, 1)]
            pixels = torch.stack([self._towers.preprocess(image) for image in shown])
            parts.append(self._towers.images(pixels.to(self._device)))
        return torch.cat(parts)


def load_towers(scorer: Scorer, device: torch.device | str) -> Towers:
    """The networks of a scorer on a device.

    Raises InputError if the model's folder lacks its files or they are unusable.
    """
    key = f"metrics.scorers: {scorer.name}"
    folder = find(key, scorer.pretrained, scorer.revision, files=scorer.files)
    try:
        return scorer_module(scorer.name).load(folder, device)
    except Exception as error:  # whatever a wrong configuration or torn weights lead to
        raise InputError(f"{key}: {folder} cannot be loaded ({first_line(error)})") from None


def scorer_module(name: str) -> ModuleType:
    """What loads a scorer, and makes it without weights."""
    return importlib.import_module(f"{__package__}.scorers.{name}")
