"""CMMD: the squared MMD of unit CLIP embeddings with a Gaussian kernel, times 1,000.

Jayasumana et al. 2024, https://arxiv.org/abs/2401.09603, section 4, with sigma = 10 and, as in the
authors' code, means over all pairs, those of an image with itself included. The interval is
linearised (see `influence`): the influence of an image is a mean of kernel values.
"""

from __future__ import annotations

import numpy as np

from ...jobs.cli import batches
from ..comparison import Prompts, Reference
from .bootstrap import Interval
from .influence import influence_interval

SIGMA, SCALE = 10.0, 1000.0
BLOCK = 1024
"""rows of a kernel matrix in memory at a time"""


def mean_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean kernel value [N] of each row of features [N, D] with all of [M, D]."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    squares = (y**2).sum(axis=1)
    found = []
    for rows in batches(len(x), BLOCK):
        distances = (x[rows] ** 2).sum(axis=1)[:, None] + squares - 2 * x[rows] @ y.T
        found.append(np.exp(-distances / (2 * SIGMA**2)).mean(axis=1))
    return np.concatenate(found)


def value(features: np.ndarray, reference: Reference) -> float:
    """The CMMD of features [n, D] from the reference."""
    between = mean_kernel(features, reference.features).mean()
    own = mean_kernel(features, features).mean()
    return float(SCALE * (own + reference.once(_among_real).mean() - 2 * between))


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The CMMD of features [n, D] of the prompts from the reference."""
    ours = mean_kernel(features, features) - mean_kernel(features, reference.features)
    among = reference.once(_among_real)
    theirs = among - mean_kernel(reference.features, features)
    influence, real = (2 * SCALE * (own - own.mean()) for own in (ours, theirs))
    found = SCALE * (ours.mean() + theirs.mean())
    own = influence_interval(float(found), influence, real, reference, prompts, confidence)
    return own._replace(lo=max(own.lo, 0.0))


def _among_real(reference: Reference) -> np.ndarray:
    """The mean kernel value [M] of each real image with all of them."""
    return mean_kernel(reference.features, reference.features)
