"""Claims on DreamBooth: Figure 6 of the paper, which shows images and measures nothing.

Sizes are compared by how like their subject the images are, after they were taught it.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ..costs.published import is_papers_layout
from ..kinds.stages import DREAMBOOTH
from ..tables.values import Values
from .evidence import Evidence, NotRun, slope
from .statement import Claim, Every, Some, Statistic

_TOPIC = "DreamBooth"
_SCORES = "dreambooth_scores"
_LOWER = ("c96", "c128", "c160")
_CLEARLY = 2.0
"""times the largest difference within a tier by which tiers are apart"""
_UPPER = ("c192", "c224", "c256", "c320", "c512")
"""the paper's two tiers: 83M to 223M, and 318M to 2B; of 704M it shows nothing"""


def _sizes(evidence: Evidence, least: int) -> Values:
    """How like their subjects images of each size are, smallest size first."""
    values = evidence.taught()
    if len(values.rows) < least:
        raise NotRun(f"fewer than {least} sizes were taught subjects")
    return values


def _larger_is_better(evidence: Evidence) -> Statistic:
    values = _sizes(evidence, 2)
    return slope(np.log(values.rows["params"].to_numpy(float)), values.draws)


def _apart(lower: np.ndarray, upper: np.ndarray) -> Every:
    """Every difference between two tiers [k, 1 + R] less twice every one within one of them."""
    between = (upper[:, None] - lower[None]).reshape(-1, lower.shape[1])
    within = [a - b for tier in (lower, upper) for a, b in permutations(tier, 2)]
    parts = between[:, None] - _CLEARLY * np.stack(within)[None]
    return Every(parts.reshape(-1, lower.shape[1]))


def _two_tiers(evidence: Evidence) -> Statistic:
    draws = _sizes(evidence, 4).draws
    return Some([_apart(draws[:at], draws[at:]) for at in range(2, len(draws) - 1)])


def _papers_tiers(evidence: Evidence) -> Statistic:
    if not is_papers_layout(evidence.spec):
        raise NotRun("the family is not the paper's")
    values = _sizes(evidence, 3)
    tiers = [values.draws[values.rows["size"].isin(names)] for names in (_LOWER, _UPPER)]
    if min(map(len, tiers)) < 2:
        raise NotRun("fewer than two sizes of a tier were taught subjects")
    return _apart(*tiers)


_TIERS = (
    "smallest difference of the similarity between the upper and the lower tier less twice the"
    " largest within one, every pair"
)
CLAIMS = [
    Claim(
        "dreambooth-larger-is-better",
        _TOPIC,
        "Figure 6",
        "Larger models keep the subject better (the paper looks at images, without a metric)",
        "rise of the subject's similarity with log parameters",
        _SCORES,
        _larger_is_better,
        stage=DREAMBOOTH,
    ),
    Claim(
        "dreambooth-has-two-tiers",
        _TOPIC,
        "Figure 6",
        "Sizes fall into two tiers of at least two, which differ more than twice as much as sizes"
        " within them",
        f"{_TIERS}; the best of all ways to part the sizes",
        _SCORES,
        _two_tiers,
        stage=DREAMBOOTH,
    ),
    Claim(
        "dreambooth-tiers-are-the-papers",
        _TOPIC,
        "Figure 6",
        "318M to 2B are better than 83M to 223M by more than twice what sizes within each differ",
        _TIERS,
        _SCORES,
        _papers_tiers,
        stage=DREAMBOOTH,
    ),
]
