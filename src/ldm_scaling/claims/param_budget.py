"""Claims on the split of a budget between text encoder and U-Net: the paper's open question.

Text encoders are compared two by two, each with its next larger one, in the middle of the totals
that both have a U-Net for. Those of about one size are not compared with each other, but each with
the next larger ones.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise, product

import numpy as np

from ..kinds.stages import BUDGET
from ..tables.splits import EncoderCurve, encoder_curves, shared
from .evidence import Evidence, NotRun, log
from .statement import Claim, Statistic

_TOTALS = {"params": "parameters", "gflops": "FLOPs of an image"}
_NEGLIGIBLE = 0.01
"""of the least total: text encoders that differ by no more leave the same U-Net"""


def _by_size(curves: list[EncoderCurve]) -> list[list[EncoderCurve]]:
    sizes: list[list[EncoderCurve]] = []
    for curve in curves:  # smallest first
        least, _ = curve.totals()
        if sizes and curve.text - sizes[-1][0].text <= _NEGLIGIBLE * least:
            sizes[-1].append(curve)
        else:
            sizes.append([curve])
    return sizes


def _bigger_encoder_gains(evidence: Evidence, axis: str) -> Statistic:
    sizes = _by_size(encoder_curves(evidence.split_budget(), axis))
    gains = []
    for smaller, larger in pairwise(sizes):
        for small, large in product(smaller, larger):
            if ends := shared(small, large):
                total = float(np.sqrt(ends[0] * ends[1]))
                gains.append(log(small.at(total)) - log(large.at(total)))
    if not gains:
        raise NotRun(f"no two text encoders share a total of {_TOTALS[axis]}")
    return np.mean(gains, axis=0)


CLAIMS = [
    Claim(
        f"bigger-text-encoder-wins-at-equal-{name}",
        "Parameter budget",
        "this project",
        f"At equal {words} a smaller U-Net with a bigger text encoder gives better images, on"
        " average over neighbouring encoders",
        "log ratio of the metric with a text encoder to that with the next larger one and the U-Net"
        " that the rest pays for, in the middle of the totals that both reach, mean over encoders",
        "param_budget",
        partial(_bigger_encoder_gains, axis=axis),
        stage=BUDGET,
    )
    for axis, name, words in (
        ("params", "parameters", _TOTALS["params"]),
        ("gflops", "flops", _TOTALS["gflops"]),
    )
]
