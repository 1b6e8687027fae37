"""The share of samples that are near a real image (Kynkaanniemi et al. 2019, equation 2)."""

from __future__ import annotations

import numpy as np

from ..comparison import Prompts, Reference
from .bootstrap import Interval
from .neighbours import near_real, over_samples


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The precision of features [n, D]."""
    return over_samples(near_real(features, reference) > 0, prompts, confidence)
