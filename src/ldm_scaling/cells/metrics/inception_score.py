"""The inception score of images, from their features by clean-fid's Inception-v3.

exp of the mean divergence of each image's classes from those of all (Salimans et al. 2016,
https://arxiv.org/abs/1606.03498, section 4), of all images at once. As in the original, the
classifier has no bias.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from ...jobs.cli import InputError
from .bootstrap import Interval, centred_interval


def read_head(path: Path | None) -> np.ndarray:
    """The classifier's weights [classes, D] in clean-fid's TorchScript file.

    Raises InputError if the file is missing or has none.
    """
    if path is None or not path.exists():
        raise InputError(f"{path or '--head FILE'} is missing; run make prefetch")
    import torch  # whose import would take most of the seconds in which other studies measure

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch would like other formats
            return torch.jit.load(path, map_location="cpu").output.weight.detach().double().numpy()
    except (RuntimeError, AttributeError):
        raise InputError(f"{path} has no classifier; delete it and run make prefetch") from None


def inception_score(
    features: np.ndarray, head: np.ndarray, weights: np.ndarray, confidence: float
) -> Interval:
    """The score of features [n, D]; weights [R, n] are those of resamples."""
    from scipy.special import log_softmax, xlogy  # as above

    logs = log_softmax(features @ head.T, axis=1)
    classes = np.exp(logs)
    rows = np.concatenate([np.ones((1, len(features))), weights]) / len(features)
    own, mean = rows @ (classes * logs).sum(axis=1), rows @ classes
    scores = np.exp(own - xlogy(mean, mean).sum(axis=1))
    return centred_interval(float(scores[0]), scores[1:], confidence)
