"""Random numbers and orders that are functions of (purpose, seed, position) alone.

No batch size, number of processes or interruption changes them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Stream(IntEnum):
    """Purposes of random numbers. One seed gives each purpose its own numbers."""

    AUTOENCODER = 0
    TRAINING = 1
    SAMPLING = 2
    SAMPLING_STEPS = 3
    DISTILLATION = 4
    SUPERRES = 5
    DEGRADATION = 6
    CROPS = 7
    DREAMBOOTH = 8
    PRIOR = 9
    PRIOR_STEPS = 10
    SUBSTEPS = 11
    RESAMPLING = 12
    TONES = 13
    INVERSION = 14
    NOISE_LOSSES = 15


def order(count: int, seed: int, start: int, length: int) -> np.ndarray:
    """Data indices of the positions from `start` on; `count` items are shuffled every epoch."""
    positions = np.arange(start, start + length)
    result = np.empty(length, dtype=np.int64)
    for epoch in np.unique(positions // count):
        chosen = positions // count == epoch
        result[chosen] = _shuffled(count, seed, int(epoch))[positions[chosen] % count]
    return result


@functools.lru_cache(maxsize=2)  # a step may lie in two epochs
def _shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)


def row_generators(
    stream: Stream, seed: int, positions: Iterable[int], candidate: int = 0
) -> Iterator[torch.Generator]:
    """A CPU generator for each position, so that no batch size changes the draws.

    Each candidate of a position has numbers of its own.
    """
    import torch  # most users of this module draw with numpy

    for position in positions:
        entropy = (seed, int(position), stream, *([candidate] if candidate else []))
        mixed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        yield torch.Generator().manual_seed(int(mixed))
