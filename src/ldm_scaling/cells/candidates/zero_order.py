"""Zero-order search: candidates from noise near the best one so far.

Ma et al., arXiv 2501.09732. Their neighbours are "at distance lambda"; as re-implemented with the
first author's advice, a neighbour of z has its norm, and a cosine of 0.95 with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .attempt import Attempt, Looked

COSINE = 0.95
"""of a noise and its neighbour"""
NEIGHBOURS = 2
"""candidates around a pivot, before the best of all so far becomes the next pivot"""


def neighbour(pivot: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Noise [B, ...] with the norm of the pivot's [B, ...], in each image's own direction."""
    z, w = pivot.flatten(1), direction.flatten(1)
    norm = z.norm(dim=1, keepdim=True)
    u = z / norm
    w = w - (w * u).sum(dim=1, keepdim=True) * u
    w = w / w.norm(dim=1, keepdim=True)
    return (norm * (COSINE * u + (1 - COSINE**2) ** 0.5 * w)).reshape(pivot.shape)


def candidates(attempt: Attempt, count: int) -> Iterator[Looked]:
    """One candidate of each prompt after the other; the first is the image of the cell.

    The noise at steps is that of the first one, so that neighbours differ in their beginning alone.
    """
    pivot = attempt.noise(0)
    found = attempt.look(*attempt.sample(pivot, attempt.generators(0)))
    leader, best = pivot.clone(), found.scores
    yield found
    for number in range(1, count):
        noise = neighbour(pivot, attempt.noise(number))
        found = attempt.look(*attempt.sample(noise, attempt.generators(0)))
        yield found
        better = torch.from_numpy(found.scores > best)
        leader[better] = noise[better]
        best = np.maximum(best, found.scores)
        if number % NEIGHBOURS == 0:
            pivot = leader.clone()
