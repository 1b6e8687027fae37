"""The share of real images that have a sample near them (Naeem et al. 2020, equation 5)."""

from __future__ import annotations

import numpy as np

from ..comparison import Prompts, Reference
from .bootstrap import Interval
from .neighbours import covered, over_real


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The coverage of features [n, D]."""
    return over_real(covered(features, reference), reference, confidence)
