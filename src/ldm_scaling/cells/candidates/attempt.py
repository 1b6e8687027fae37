"""What a method of making candidates works with: prompts, noise, a sampler and a verifier.

Candidate k of image i has its noise from (seed, i, k), so that neither the batch size nor the
number of candidates changes it. Candidate 0 is the image of the cell.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ...diffusion.sampling import AfterStep
from ...jobs.seeds import Stream, row_generators
from ...workflow.specs.cells import CellSpec
from ..sample import LatentSampler, initial_noise

Rows = np.ndarray | slice
"""numbers of prompts"""


@dataclass(frozen=True)
class Score:
    """A score of images against their captions, and what its network sees of them on the way."""

    array: str
    """name of what it sees"""
    see: Callable[[np.ndarray, Any], np.ndarray]
    """uint8 images [B, 3, S, S] of prompts, to numbers [B, ...]"""
    of: Callable[[np.ndarray, Any], np.ndarray]
    """these numbers, to scores [B]; higher is better"""

    def __call__(self, images: np.ndarray, rows: Rows) -> np.ndarray:
        """Scores [B] of images [B, 3, S, S] of prompts."""
        return np.asarray(self.of(self.see(images, rows), rows), dtype=np.float64)


class Looked(NamedTuple):
    """One candidate of each prompt of a batch, as the verifier sees it."""

    images: np.ndarray
    """uint8 [B, 3, S, S]"""
    finite: np.ndarray
    """whether an image is, [B]"""
    scores: np.ndarray
    """of the verifier, [B]; higher is better"""
    seen: np.ndarray
    """what the verifier's network sees, [B, ...]"""


class Attempt:
    """A batch of prompts of a cell, for which a method makes candidates."""

    def __init__(self, sampler: LatentSampler, cell: CellSpec, rows: range, verifier: Score):
        self.sampler, self.cell, self.rows, self.verifier = sampler, cell, rows, verifier
        self.numbers = np.array(rows)
        """of the prompts, [B]"""
        self.text = sampler.text(rows)
        self.sampling = 0.0
        """seconds of sampling and decoding so far"""
        self.verifying = 0.0
        """seconds of the verifier so far"""

    def noise(self, candidate: int) -> torch.Tensor:
        """Unit noise [B, C, h, w] of a candidate of each prompt."""
        return initial_noise(self.cell.seed, self.rows, self.sampler.latent_shape, candidate)

    def generators(self, candidate: int) -> list[torch.Generator]:
        """Generators [B] of the noise at a candidate's steps."""
        return list(row_generators(Stream.SAMPLING_STEPS, self.cell.seed, self.rows, candidate))

    def sample(
        self,
        noise: torch.Tensor,
        generators: list[torch.Generator],
        copies: int = 1,
        after_step: AfterStep | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images of the prompts, `copies` times over, from noise [copies B, ...], and which are
        finite, [copies B].
        """
        began = time.monotonic()
        text = self.text.repeat(copies, 1, 1)
        rows = list(self.rows) * copies
        found = self.sampler.images_from(noise, generators, text, rows, self.cell, after_step)
        self.sampling += time.monotonic() - began
        return found

    def look(self, images: np.ndarray, finite: np.ndarray) -> Looked:
        """What the verifier says of a candidate of each prompt."""
        began = time.monotonic()
        seen = self.verifier.see(images, self.numbers)
        scores = np.asarray(self.verifier.of(seen, self.numbers), dtype=np.float64)
        self.verifying += time.monotonic() - began
        return Looked(images, finite, scores, seen)
