"""The share of real images that are near a sample (Kynkaanniemi et al. 2019, equation 2)."""

from __future__ import annotations

import numpy as np

from ..comparison import Prompts, Reference
from .bootstrap import Interval
from .neighbours import near_samples, over_real


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The recall of features [n, D]."""
    return over_real(near_samples(features, reference), reference, confidence)
