"""To how many real images a sample is near, over K (Naeem et al. 2020, equation 4).

Unlike precision it does not count on one outlier of the real images. It may be above 1.
"""

from __future__ import annotations

import numpy as np

from ..comparison import Prompts, Reference
from .bootstrap import Interval
from .neighbours import K, near_real, over_samples


def interval(
    features: np.ndarray, reference: Reference, prompts: Prompts, confidence: float
) -> Interval:
    """The density of features [n, D]."""
    return over_samples(near_real(features, reference) / K, prompts, confidence)
