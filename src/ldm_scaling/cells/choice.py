"""How a sampling budget is spent: the steps that it buys, and the guidance that goes with them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

_ROUNDED = 1e-5
"""costs in tables have six digits"""


def steps_bought(budget: float, normalized_cost: float, most: int) -> int:
    """Denoising steps of a size that a sampling budget pays for, at most `most`; 0 if not one.

    The sampling cost is normalized cost x steps (Mei et al., arXiv 2404.01367).
    """
    return min(most, math.floor(budget / normalized_cost * (1 + _ROUNDED)))


def chosen_guidance(best: pd.DataFrame, steps: int) -> float:
    """The guidance that the search chose at the nearest step count, in log; nan if it chose none.

    `best` has the rows of one model and sampler. Of two equally near counts the lower one counts.
    """
    chosen = best[best["guidance"].notna()].sort_values("steps")
    if chosen.empty:
        return math.nan
    distance = np.log(chosen["steps"].astype(float) / steps).abs()
    return float(chosen.loc[distance.idxmin(), "guidance"])
