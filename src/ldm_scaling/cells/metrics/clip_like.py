"""A CLIP-like score: how well an image fits its caption, where there is no CLIP model.

Images' features and captions' embeddings, both of frozen networks, go through one linear map each
into a space that they share; the score is the cosine there. Rule fit_clip_like fits the maps to the
training split with CLIP's loss, so the score is no CLIP score, and is not comparable with that of
another study. Scoring, which is here, needs no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...jobs.arrays import map_array
from ...jobs.cli import InputError


class Map(NamedTuple):
    """Standardisation by the training split, and a linear map."""

    mean: np.ndarray
    """[D]"""
    scale: np.ndarray
    """[D]"""
    weight: np.ndarray
    """[D, W]"""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Unit vectors [N, W], float64, of features [N, D]."""
        mapped = ((features.astype(np.float64) - self.mean) / self.scale) @ self.weight
        return mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12)


class Scorer(NamedTuple):
    """Scores images of the prompts."""

    images: Map
    captions: np.ndarray
    """where the n prompts lie, unit vectors [n, W]"""

    def __call__(self, features: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Cosines [n] of images with their prompts, all or these rows, from features [n, D]."""
        return (self.images(features) * self.captions[rows]).sum(axis=1)


def scorer_arrays(
    images: Map, texts: Map, temperature: float, captions: np.ndarray
) -> dict[str, np.ndarray]:
    """The float32 arrays of clip_like.safetensors; captions [N, W] are those of the test split."""
    arrays = {
        f"{name}_{part}": array
        for name, own in (("image", images), ("text", texts))
        for part, array in own._asdict().items()
    }
    arrays |= {"temperature": np.array([temperature]), "captions": captions}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def read_map(path: Path, side: str) -> Map:
    """The map of a side, `image` or `text`, of clip_like.safetensors."""
    return Map(*(np.asarray(map_array(path, f"{side}_{part}")) for part in Map._fields))


def maps_hash(path: Path) -> str:
    """A hash of the fitted maps alone, which what else decides the file does not change."""
    digest = hashlib.sha256()
    for part in (*read_map(path, "image"), *read_map(path, "text")):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:24]


def read_scorer(path: Path | None, n: int, width: int) -> Scorer:
    """The scorer of the first n prompts for features of a width, from clip_like.safetensors.

    Raises InputError if there is no file, or if it has fewer prompts or maps another width.
    """
    if path is None:
        raise InputError("metrics.clip_like: --clip-like FILE is needed")
    images = read_map(path, "image")
    captions = map_array(path, "captions")[:n]
    if len(captions) < n:
        raise InputError(f"{path} has {len(captions)} captions, fewer than sampling.n = {n}")
    if len(images.weight) != width:
        raise InputError(
            f"{path} maps features of width {len(images.weight)}, not {width}; delete it and run"
            " again"
        )
    return Scorer(images, captions.astype(np.float64))
