"""Claims on what sizes are and cost: Table 1 of the paper, against the counts of this family."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..costs.published import SLIPS
from .evidence import Evidence, NotRun
from .statement import Claim, Statistic

FAMILY = "Family"
_TOLERANCE = 0.05
"""what counting conventions may differ by: padded taps, softmax"""


def _parameters_as_printed(evidence: Evidence) -> Statistic:
    rows = _printed(evidence)
    unit = np.where(rows["published_params"] >= 1e9, 1e9, 1e6)
    distance = (rows["params"] - rows["published_params"]).abs() / unit
    return 0.5 - float(distance.max())


def _costs_as_printed(evidence: Evidence) -> Statistic:
    rows = _printed(evidence)
    rows = rows[~rows["size"].isin(SLIPS)]
    if rows.empty:
        raise NotRun("only sizes with a slip in print are in the study")
    return _TOLERANCE - float((rows["gflops"] / rows["published_gflops"] - 1).abs().max())


def _printed(evidence: Evidence) -> pd.DataFrame:
    rows = evidence.family
    if "published_params" not in rows or rows["published_params"].isna().all():
        raise NotRun("the family is not the paper's")
    return rows[rows["published_params"].notna()]


CLAIMS = [
    Claim(
        "parameters-are-as-printed",
        FAMILY,
        "Table 1",
        "The family has the parameters that the paper prints",
        "half a unit of the last printed digit less the difference, every size",
        "model_family",
        _parameters_as_printed,
    ),
    Claim(
        "costs-are-as-printed",
        FAMILY,
        "Table 1",
        "A forward pass costs the FLOPs that the paper prints, except for its slip at c64",
        "5 % less the relative difference, every other size",
        "model_family",
        _costs_as_printed,
    ),
]
