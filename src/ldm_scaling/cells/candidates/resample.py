"""Trajectories that are resampled on the way, by the score of the image that each one predicts.

Feynman-Kac steering (Singhal et al., arXiv 2501.06848), with the potential `max`: a particle counts
as much as the best image that it has predicted. Two things differ. Scores are standardised among
the particles of an image, so that the strength means the same for every scorer. A solver without
noise would let copies end as the same image; so a copy goes on from the predicted image, with new
noise of the level that comes next.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch

from ...diffusion.process import process_of
from ...diffusion.sampling import make_solver
from ...jobs.seeds import Stream, row_generators
from ...kinds.candidates import resampled_after
from ...latents.autoencoder import decode, to_uint8
from .attempt import Attempt, Looked

STRENGTH = 2.0
"""how much more a particle weighs that is one standard deviation better: e to this power"""


def weights(scores: np.ndarray) -> np.ndarray:
    """Weights [k, B] of k particles of each image, by their scores [k, B]; they add up to 1."""
    spread = scores.std(axis=0)
    standard = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1)
    powers = np.exp(STRENGTH * standard)
    return powers / powers.sum(axis=0)


def ancestors(weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Particles [k, B] that go on, rising: systematic resampling (Kitagawa 1996).

    Weights [k, B], and for each image a uniform number in `offsets` [B]. A particle of weight w has
    floor(k w) or ceil(k w) descendants.
    """
    count = len(weights)
    places = (np.arange(count)[:, None] + offsets) / count
    edges = np.cumsum(weights, axis=0)
    edges[-1] = 1
    return (places[:, None] >= edges[None, :]).sum(axis=1)


class _Steering:
    """What happens to the particles [k B, ...] of a batch between steps: particle 0 first."""

    def __init__(self, attempt: Attempt, count: int):
        cell, sampler = attempt.cell, attempt.sampler
        self._attempt, self._count = attempt, count
        self._levels = make_solver(cell, sampler.diffusion).timesteps.tolist()
        self._process = process_of(sampler.diffusion)
        self._at = resampled_after(cell.steps)
        self._best = np.full((count, len(attempt.rows)), -np.inf)
        streams = [
            list(row_generators(Stream.RESAMPLING, cell.seed, attempt.rows, number))
            for number in range(count + 1)
        ]
        self._choosing, self._anew = streams[0], streams[1:]

    def __call__(
        self,
        number: int,
        before: torch.Tensor,
        prediction: torch.Tensor,
        after: torch.Tensor,
    ) -> torch.Tensor:
        """The particles with which the next step begins."""
        if number not in self._at:
            return after
        level = torch.full((len(before),), self._levels[number - 1])
        origin, _ = self._process.origin_and_noise(before, prediction, level)
        self._best = np.maximum(self._best, self._scores(origin))
        offsets = np.array([torch.rand((), generator=own).item() for own in self._choosing])
        chosen = ancestors(weights(self._best), offsets)
        self._best = np.take_along_axis(self._best, chosen, axis=0)
        images = len(self._attempt.rows)
        flat = torch.from_numpy((chosen * images + np.arange(images)).reshape(-1))
        flat = flat.to(after.device)
        copied = np.zeros(chosen.shape, dtype=bool)
        copied[1:] = chosen[1:] == chosen[:-1]
        is_copy = torch.from_numpy(copied.reshape(-1)).to(after.device)
        following = torch.full((len(before),), self._levels[number])
        fresh = torch.stack(
            [
                torch.randn(after.shape[1:], generator=generator)
                for own in self._anew
                for generator in own
            ]
        ).to(after.device)
        anew = self._process.noised(origin[flat], fresh, following)
        return torch.where(is_copy[:, None, None, None], anew, after[flat])

    def _scores(self, origin: torch.Tensor) -> np.ndarray:
        attempt, images = self._attempt, to_uint8(decode(self._attempt.sampler.autoencoder, origin))
        began = time.monotonic()
        scores = attempt.verifier(images, np.tile(attempt.numbers, self._count))
        took = time.monotonic() - began
        attempt.verifying += took
        attempt.sampling -= took  # in which it lies
        return scores.reshape(self._count, -1)


def candidates(attempt: Attempt, count: int) -> Iterator[Looked]:
    """The images at the end of `count` trajectories of each prompt, which are sampled together."""
    noise = torch.cat([attempt.noise(number) for number in range(count)])
    generators = [own for number in range(count) for own in attempt.generators(number)]
    images, finite = attempt.sample(noise, generators, count, _Steering(attempt, count))
    for own in zip(np.split(images, count), np.split(finite, count), strict=True):
        yield attempt.look(*own)
