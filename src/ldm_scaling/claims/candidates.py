"""Claims on candidates: several images of a prompt; a verifier keeps one.

Ma et al., arXiv 2501.09732, who count network evaluations. Here an image costs all arithmetic of
all its candidates, and a judge that chose nothing says what it is worth.
"""

from __future__ import annotations

import numpy as np

from ..kinds.candidates import BEST_OF
from ..kinds.stages import PRETRAIN
from ..study.distill import FEW_STEPS
from ..study.metrics import JUDGE
from ..tables.candidates import gains
from ..tables.values import Values
from .evidence import ALIGNMENT, Evidence, NotRun
from .statement import Claim, Every, Some, Statistic

_TOPIC, _SOURCE = "Candidates", "Inference-time scaling (arXiv 2501.09732)"
_FIGURE = "candidates_vs_cost"
_SAME = 1 + 1e-9
"""costs closer than this are one"""


def _best_of(evidence: Evidence, kind: str) -> Values:
    values = evidence.kept(kind)
    return values.where(values.rows["method"] == BEST_OF)


def _small_beats_large(evidence: Evidence) -> Statistic:
    values = _best_of(evidence, JUDGE)
    values = values.where(values.rows["stage"] == PRETRAIN)
    rows = values.rows
    family = evidence.family
    largest = family["size"].iloc[int(family["params"].to_numpy().argmax())]
    one = (rows["size"] == largest) & (rows["steps"] == FEW_STEPS) & (rows["candidates"] == 1)
    if not one.any():
        raise NotRun(f"{largest} has no candidates at {FEW_STEPS} steps")
    rival = one.idxmax()
    fits = (rows["total_cost"] <= rows["total_cost"][rival] * _SAME) & (rows["candidates"] > 1)
    fits &= rows["size"] != largest
    most = rows[fits].groupby(["size", "steps"])["candidates"].idxmax()
    if most.empty:
        raise NotRun("one image of the largest size pays for no two of a smaller one")
    return Some([values.draws[at] - values.draws[rival] for at in most])


def _verifier_gains_more(evidence: Evidence) -> Statistic:
    looked, judged = (_most(gains(_best_of(evidence, kind))) for kind in (ALIGNMENT, JUDGE))
    excess = Values(looked.rows, looked.draws - judged.draws)
    return Every(_by_model(excess))


def _coverage_falls(evidence: Evidence) -> Statistic:
    values = _best_of(evidence, "coverage")
    one = values.where(values.rows["candidates"] == 1)
    return Every(_by_model(Values(one.rows, one.draws - _most(values).draws)))


def _most(values: Values) -> Values:
    """The rows with the most candidates; all models and step counts have as many."""
    return values.where(values.rows["candidates"] == values.rows["candidates"].max())


def _by_model(values: Values) -> list[np.ndarray]:
    """Means over step counts, of each size and stage."""
    groups = values.rows.groupby(["stage", "size"], sort=False).indices
    return [values.draws[members].mean(axis=0) for members in groups.values()]


CLAIMS = [
    Claim(
        "candidates-of-a-smaller-size-beat-one-of-the-largest",
        _TOPIC,
        _SOURCE,
        f"At the total cost of one image of the largest size at {FEW_STEPS} steps, the best of"
        " several images of a smaller pretrained model is better, by a judge that chose nothing",
        "judge's score of the best of as many as that cost pays for, less that of the one image,"
        " the best smaller size and step count; no students",
        _FIGURE,
        _small_beats_large,
    ),
    Claim(
        "candidates-gain-more-under-the-verifier",
        _TOPIC,
        _SOURCE,
        "What choosing gains under the score that chooses is more than under an independent judge,"
        " for every model",
        "gain of the best of the most candidates over one, in standard deviations between"
        " candidates of an image, under the verifier less under the judge, mean over step counts,"
        " each model",
        _FIGURE,
        _verifier_gains_more,
    ),
    Claim(
        "candidates-cost-coverage",
        _TOPIC,
        _SOURCE,
        "Keeping the best of more candidates makes coverage fall, for every model",
        "coverage of one candidate less that of the best of the most, mean over step counts, each"
        " model",
        _FIGURE,
        _coverage_falls,
    ),
]
