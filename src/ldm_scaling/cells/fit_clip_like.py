"""Fit the CLIP-like score to the training split, and test it by retrieval of unseen concepts.

Two linear maps on standardised features, of images and of captions, start as their canonical
correlations and are fitted with CLIP's loss and learned temperature (Radford et al. 2021,
https://arxiv.org/abs/2103.00020, through OpenCLIP).
Writes clip_like.safetensors (maps, standardisation, temperature, and the mapped test captions) and
retrieval.csv. Held-out images and captions change no map.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, write_arrays
from ..jobs.cli import InputError, Progress, batches, parser, run
from ..jobs.tables import to_csv
from ..jobs.workdir import file_hash, fingerprint, write_text
from ..latents.autoencoder import weights_hash
from ..latents.text_encoder import CaptionEncoder
from ..study.metrics import ClipLike
from ..training.devices import own_device
from ..workflow.specs.measuring import ClipLikeSpec
from .measure import read_features
from .metrics.clip_like import Map, scorer_arrays
from .retrieval import COLUMNS, HeldOut, retrieval_table

BATCH = 64
"""captions encoded at a time"""
FIRST_TEMPERATURE = 0.07
LOWEST_TEMPERATURE = 0.01
"""both as in CLIP"""
WEIGHT_DECAY = 0.1
SHRINKAGE = 0.3
"""share of the mean variance that is added to that of every direction before whitening"""


class Split(NamedTuple):
    """Captioned images."""

    images: np.ndarray
    """features [N, D]"""
    texts: np.ndarray
    """embeddings of the captions [N, T]"""
    captions: list[str]
    concepts: list[str]
    names: list[str]


class Maps(NamedTuple):
    """What is fitted."""

    images: Map
    texts: Map
    temperature: float


def same_thing(concepts: list[str], captions: list[str]) -> np.ndarray:
    """A number for each pair, [N]: the same for all that equal concepts or captions link."""
    count = len(concepts)
    ends = [
        np.unique(np.asarray(values), return_inverse=True)[1] for values in (concepts, captions)
    ]
    nodes = np.concatenate([count + ends[0], 2 * count + ends[1]])
    edges = (np.ones(2 * count), (np.tile(np.arange(count), 2), nodes))
    graph = coo_array(edges, shape=(3 * count, 3 * count))
    return connected_components(graph, directed=False)[1][:count]


def deal(groups: np.ndarray, batch: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Split all rows into batches of at most `batch`, none with two rows of one group.

    Shuffled groups are dealt like cards, so batches differ by a row at most. There are as many as
    the largest group needs.
    """
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count = max(math.ceil(len(groups) / batch), sizes.max())
    place = generator.permutation(len(sizes))[numbers]
    order = np.lexsort((generator.permutation(len(groups)), place))
    return [order[first::count] for first in range(count)]


def standardise(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [D], scale [D] and standardised features [N, D]."""
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale == 0] = 1  # what never varies says nothing
    return mean, scale, (features - mean) / scale


def first_weights(images: np.ndarray, texts: np.ndarray, width: int) -> list[np.ndarray]:
    """Weights [D, W] and [T, W] of the `width` most correlated directions of standardised pairs.

    Regularised canonical correlation analysis (Vinod 1976), directions scaled by the root of their
    correlation. From here fitting takes a fifth of the steps that it takes from random weights.
    Raises InputError if there are not so many directions.
    """
    if width > (most := min(images.shape[1], texts.shape[1])):
        raise InputError(f"metrics.clip_like.width: these features allow {most} at most")
    whitening = []
    for features in (images, texts):
        values, axes = np.linalg.eigh(features.T @ features / len(features))
        whitening.append((axes / np.sqrt(values + SHRINKAGE * values.mean())) @ axes.T)
    shared = whitening[0] @ (images.T @ texts / len(images)) @ whitening[1]
    left, correlations, right = np.linalg.svd(shared, full_matrices=False)
    roots = np.sqrt(correlations[:width])
    return [own @ x[:, :width] * roots for own, x in zip(whitening, (left, right.T), strict=True)]


def contrast(
    sides: list[torch.Tensor],
    weights: list[nn.Parameter],
    scale: nn.Parameter,
    steps: list[np.ndarray],
    settings: ClipLike,
) -> None:
    """Fit weights and the logarithm of the inverse temperature to batches of rows, in place.

    Raises InputError if they diverge.
    """
    groups = [
        {"params": weights, "weight_decay": WEIGHT_DECAY},
        {"params": [scale], "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(steps))
    loss_of, progress = ClipLoss(), Progress("fitting the CLIP-like score", len(steps))
    for number, rows in enumerate(steps, start=1):
        seen = [F.dropout(side[rows], settings.dropout) for side in sides]
        mapped = [F.normalize(x @ own, dim=-1) for x, own in zip(seen, weights, strict=True)]
        loss = loss_of(*mapped, scale.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        scale.data.clamp_(max=-math.log(LOWEST_TEMPERATURE))
        progress.update(number)
    if not math.isfinite(loss.item()):
        raise InputError("metrics.clip_like.lr: fitting diverged; lower it")


def fit(train: Split, settings: ClipLike, seed: int) -> Maps:
    """Fit the maps on the processor, where the same seed gives the same maps.

    Pairs of one concept, or of equal captions, are never told apart in one batch.
    Raises InputError if all pairs are of one concept, and as what it calls.
    """
    groups = same_thing(train.concepts, train.captions)
    if len(set(groups)) < 2:
        raise InputError("metrics.clip_like: all training captions are of one concept; set null")
    sides = [standardise(features) for features in (train.images, train.texts)]
    first = first_weights(sides[0][2], sides[1][2], settings.width)
    weights = [nn.Parameter(torch.from_numpy(own).float()) for own in first]
    scale = nn.Parameter(torch.tensor(-math.log(FIRST_TEMPERATURE)))
    generator = np.random.default_rng(seed)
    rounds = (deal(groups, settings.batch, generator) for _ in range(settings.epochs))
    steps = [rows for dealt in rounds for rows in dealt]
    tensors = [torch.from_numpy(x).float() for *_, x in sides]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        contrast(tensors, weights, scale, steps, settings)
    fitted = [
        Map(mean, deviation, own.detach().double().numpy())
        for (mean, deviation, _), own in zip(sides, weights, strict=True)
    ]
    return Maps(*fitted, temperature=math.exp(-scale.item()))


def read_split(features: Path, captions: Path, encoder: CaptionEncoder) -> Split:
    """Read a split's images and captions; equal captions are encoded once.

    Raises InputError if there are not as many of both.
    """
    images = read_features(features)
    texts, concepts, names = (read_column(captions, x) for x in ("caption", "concept", "name"))
    if len(images) != len(texts):
        raise InputError(
            f"{features} has {len(images)} images, {captions} {len(texts)} rows; delete the former"
            " and run again"
        )
    distinct = sorted(set(texts), key=lambda text: (len(text), text))  # so little is padding
    parts = [encoder.sentences(distinct[rows]) for rows in batches(len(distinct), BATCH)]
    embedded = torch.cat(parts).cpu().numpy().astype(np.float64)
    place = {text: number for number, text in enumerate(distinct)}
    return Split(images, embedded[[place[text] for text in texts]], texts, concepts, names)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, ClipLikeSpec)
    for split in ("train", "validation", "test"):
        arguments.add_argument(f"--{split}", required=True, type=Path, help="features of images")
        arguments.add_argument(
            f"--{split}-captions", required=True, type=Path, help="their captions"
        )
    arguments.add_argument("--out", required=True, type=Path, help="file of the maps")
    arguments.add_argument("--retrieval-out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    spec: ClipLikeSpec = options.spec
    encoder = CaptionEncoder(spec.text_encoder, own_device())
    paths = [
        (options.train, options.train_captions),
        (options.validation, options.validation_captions),
        (options.test, options.test_captions),
    ]
    train, validation, test = (read_split(*pair, encoder) for pair in paths)
    maps = fit(train, spec.clip_like, spec.seed)
    held_out = HeldOut(
        maps.images(np.concatenate([validation.images, test.images])),
        maps.texts(np.concatenate([validation.texts, test.texts])),
        validation.concepts + test.concepts,
        validation.names + test.names,
    )
    rows = retrieval_table(held_out, spec.styles, spec.bootstrap, spec.confidence, spec.seed)
    content = fingerprint(
        spec,
        weights_hash(encoder.model),
        *(part for own, captions in paths for part in (fingerprint_of(own), file_hash(captions))),
    )
    captions = held_out.captions[len(validation.texts) :]
    write_arrays(options.out, scorer_arrays(*maps, captions), content)
    write_text(options.retrieval_out, to_csv(pd.DataFrame(rows, columns=COLUMNS)))


if __name__ == "__main__":
    run(main)
