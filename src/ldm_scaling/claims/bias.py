"""Claims on the bias of tones: what models show of an attribute that prompts do not name.

In training, drawings of some concepts have light tones more often than dark ones. Shares are among
the images of unseen concepts that show a light or a dark tone, corrected for the judge's errors.
All sizes have the same prompts, noise and settings.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..jobs.tables import records
from ..kinds.arms import GUIDED, PLAIN
from ..kinds.stages import BIAS
from ..tables.bias import DISCREPANCY, LIGHT_SHARE
from ..tables.values import Values
from .evidence import QUALITY, Evidence, NotRun, grid, log, slope
from .statement import Claim, Every, Some, Statistic

_TOPIC, _FIGURE = "Bias of tones", "bias_vs_cost"
_LOSS = 0.05
"""of the distance, that removing the bias may cost"""


def _plain(evidence: Evidence, kind: str) -> Values:
    """Cells without anything against the bias."""
    values = evidence.of_tones(kind)
    return values.where(values.rows["arm"] == PLAIN)


def _majority(values: Values) -> np.ndarray:
    """Draws [rows, 1 + R] of the share of the tones that training has more of."""
    first = values.rows.iloc[0]
    if first["training_share"] == first["reference"]:
        raise NotRun("training has the wanted shares")
    light = first["training_share"] > first["reference"]
    return values.draws if light else 1 - values.draws


def _grows_with_guidance(evidence: Evidence) -> Statistic:
    values = _plain(evidence, LIGHT_SHARE)
    shares = Values(values.rows, _majority(values))
    levels, draws = grid(shares, ["guidance", *_several(values, "params", "steps")])
    return slope(np.log(levels[0]), draws.reshape(len(levels[0]), -1, draws.shape[-1]).mean(axis=1))


def _with_size(evidence: Evidence, sign: int) -> Statistic:
    values = _plain(evidence, LIGHT_SHARE)
    shares = Values(values.rows, _majority(values))
    levels, draws = grid(shares, ["params", *_several(values, "guidance", "steps")])
    means = draws.reshape(len(levels[0]), -1, draws.shape[-1]).mean(axis=1)
    params = np.log(levels[0])
    # one size that stands apart makes a slope, and the smallest one moves it most
    firsts = [0, 1] if len(params) > 2 else [0]
    return Every([sign * slope(params[first:], means[first:]) for first in firsts])


def _several(values: Values, *columns: str) -> list[str]:
    """Those of the columns that have more than one level."""
    return [column for column in columns if values.rows[column].nunique() > 1]


def _halves_the_discrepancy(evidence: Evidence) -> Statistic:
    found, quality = evidence.of_tones(DISCREPANCY), evidence.of_tones(QUALITY)
    rows = found.rows
    # images without a light or a dark tone have no share: they are as far from it as can be
    farthest = np.sqrt(2) * max(rows["reference"].iloc[0], 1 - rows["reference"].iloc[0])
    lost = np.isnan(found.draws) & (rows["arm"] == GUIDED).to_numpy()[:, None]
    found = Values(rows, np.where(lost, farthest, found.draws))
    guided = rows[(rows["arm"] == GUIDED) & (rows["steps"] == rows["steps"].max())]
    parts = []
    for _, own in guided.groupby("params"):
        ways = []
        for row in records(own):
            same = (rows["size"] == row.size) & (rows["steps"] == row.steps)
            before = rows[same & (rows["guidance"] == row.guidance) & (rows["arm"] == PLAIN)].index
            if len(before):
                (at,) = before
                halved = found.draws[at] / 2 - found.draws[row.Index]
                kept = log(quality.draws[at]) + np.log1p(_LOSS) - log(quality.draws[row.Index])
                ways.append(Every([halved, kept]))
        parts.append(Some(ways))
    if not parts or not all(part.parts for part in parts):
        raise NotRun("distribution guidance was not sampled")
    return Every(parts)


def _smaller_is_fairer(evidence: Evidence) -> Statistic:
    values = _plain(evidence, DISCREPANCY)
    guided = evidence.of_tones(DISCREPANCY).rows.query("arm == @GUIDED")
    if guided.empty:
        raise NotRun("distribution guidance was not sampled")
    own = values.where(values.rows["guidance"] == guided["guidance"].iloc[0])
    rows = own.rows
    (largest,) = rows.index[
        (rows["params"] == rows["params"].max()) & (rows["steps"] == rows["steps"].min())
    ]
    budget = rows.loc[largest, "guided_cost"] * (1 + 1e-9)
    smaller = rows[(rows["params"] < rows["params"].max()) & (rows["guided_cost"] <= budget)]
    if smaller.empty:
        raise NotRun("no smaller size is as cheap as the largest one at its fewest steps")
    most = smaller.loc[smaller.groupby("size")["guided_cost"].idxmax()].index
    return Some([own.draws[largest] - own.draws[at] for at in most])


CLAIMS = [
    Claim(
        "bias-grows-with-guidance",
        _TOPIC,
        "arXiv 2605.28036",
        "The stronger the guidance, the more images show what training had more of, on average over"
        " sizes and steps",
        "rise of the share of these tones with log guidance, mean over sizes and steps",
        _FIGURE,
        _grows_with_guidance,
        stage=BIAS,
    ),
    *(
        Claim(
            f"bias-{word}s-with-size",
            _TOPIC,
            source,
            f"The share of what training had more of {word}s with size, on average over guidance"
            " and steps",
            f"{what} of the share of these tones with log parameters, mean over guidance and steps;"
            " with and without the smallest size, if there are more than two",
            _FIGURE,
            partial(_with_size, sign=sign),
            stage=BIAS,
        )
        for word, sign, what, source in (
            ("grow", 1, "rise", "arXiv 2505.17560, of depth"),
            ("shrink", -1, "fall", "this project"),
        )
    ),
    Claim(
        "guidance-halves-the-discrepancy-at-every-size",
        _TOPIC,
        "Balancing Act (arXiv 2402.18206)",
        "At every size some strength of distribution guidance at least halves the fairness"
        f" discrepancy and costs less than {_LOSS:.0%} of the distance",
        "half of the discrepancy without it less the discrepancy with it, and log ratio of"
        f" {1 + _LOSS:g} times the distance without it to the distance with it, the best strength"
        " at the most steps, every size; guidance that leaves no light or dark tone has the largest"
        " discrepancy that there can be",
        _FIGURE,
        _halves_the_discrepancy,
        stage=BIAS,
    ),
    Claim(
        "a-smaller-size-is-fairer-at-the-cost-of-the-largest",
        _TOPIC,
        "this project",
        "At the cost of the largest size at its fewest steps, a smaller size is fairer",
        "fairness discrepancy of the largest size less that of a smaller one at the most steps that"
        " cost no more, with guidance and nothing else, the best of all smaller sizes",
        _FIGURE,
        _smaller_is_fairer,
        stage=BIAS,
    ),
]
