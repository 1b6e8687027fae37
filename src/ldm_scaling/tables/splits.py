"""Text encoders of several sizes at equal totals of parameters, or of FLOPs: which split is best.

An encoder has a curve: a metric over what the U-Net has of the total, interpolated between those
that were trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from ..kinds.metrics import sign
from ..kinds.stages import BUDGET
from .curves import Curve, common
from .values import Values, interval, read_values

AXES = {
    "params": ("text_params", "unet_params"),
    "gflops": ("image_caption_gflops", "image_unet_gflops"),
}
"""columns of a total, and those of the text encoder's and of the U-Net's part of it"""
PARAM_BUDGET = ["encoder", "size", "text_params", "autoencoder_params", "unet_params", "params"]
PARAM_BUDGET += ["image_caption_gflops", "image_unet_gflops", "gflops", "sampler", "steps"]
PARAM_BUDGET += ["guidance", "at_boundary", "metric", "value", "lo", "hi", "n", "seeds", "status"]
SPLITS = ["axis", "total", "encoder", "text_share", "unet", "metric", "value", "lo", "hi"]
SPLITS += ["standing", "n"]
BEST, TIED, BEHIND = "best", "tied", "behind"
_ALIKE = 1.1
"""totals within this factor are one"""


@dataclass(frozen=True, eq=False)
class EncoderCurve:
    """A metric of U-Nets with one text encoder, over their parameters or FLOPs."""

    encoder: str
    text: float
    """the text encoder's parameters or GFLOPs"""
    rest: float
    """all that is not the U-Net's, the text encoder's included"""
    curve: Curve
    """straight in the log of the U-Net's part, and nowhere beyond what was trained"""

    def totals(self) -> tuple[float, float]:
        """The least and the most of a total that this encoder has a U-Net for."""
        return self.curve.start + self.rest, self.curve.end + self.rest

    def at(self, total: float) -> np.ndarray:
        """Draws [1 + R] at a total. Raises ValueError for one that is not within `totals`."""
        return self.curve.at(total - self.rest)

    def reaches(self, total: float) -> bool:
        """Whether a total is within `totals`."""
        low, high = self.totals()
        return low <= total <= high


def read_pairs(table: Path, file: Path, metric: str) -> Values:
    """The pairs of a metric, with draws, as tables of values have them."""
    values = read_values(table, file, metric, PARAM_BUDGET)
    rows = values.rows.assign(stage=BUDGET + values.rows["encoder"], trained=1.0)
    return Values(rows, values.draws)


def encoder_curves(values: Values, axis: str) -> list[EncoderCurve]:
    """One of each text encoder, smallest first, of the pairs of a metric; failed ones left out."""
    text, unet = AXES[axis]
    measured = values.where(np.isfinite(values.draws[:, 0]) & values.rows[axis].notna())
    ordered = measured.rows.sort_values(["text_params", "unet_params"], kind="stable")
    curves = []
    for encoder, rows in ordered.groupby("encoder", sort=False):
        draws = measured.draws[rows.index]
        first, costs = rows.iloc[0], rows[unet].to_numpy(float)
        rest = float(first[axis] - first[unet])
        curve = Curve(str(encoder), costs, draws)
        curves.append(EncoderCurve(curve.size, float(first[text]), rest, curve))
    return curves


def shared(small: EncoderCurve, large: EncoderCurve) -> tuple[float, float] | None:
    """The range of totals that two encoders share, or None if it is no longer than a point."""
    ends = [Curve("", np.array(own.totals()), np.empty((2, 0))) for own in (small, large)]
    return common(*ends)


def shared_totals(curves: list[EncoderCurve]) -> list[float]:
    """A few totals at which encoders are compared: the middle of the range that each two share."""
    ranges = [shared(*pair) for pair in combinations(curves, 2)]
    middles = sorted(float(np.sqrt(low * high)) for low, high in filter(None, ranges))
    chosen: list[float] = []
    for middle in middles:
        if not chosen or middle > _ALIKE * chosen[-1]:
            chosen.append(middle)
    return chosen


def splits_table(metrics: Iterable[Values], confidence: float) -> pd.DataFrame:
    """The rows of every metric, in the columns `SPLITS`.

    `standing` compares the encoders at a total: `best`, `tied` if the difference from the best has
    an interval that reaches 0, `behind`.
    """
    rows = []
    for values in metrics:
        first = values.rows.iloc[0]
        better = sign(first["metric"])
        for axis in AXES:
            curves = encoder_curves(values, axis)
            for total in shared_totals(curves):
                head = {"axis": axis, "total": total, "metric": first["metric"], "n": first["n"]}
                rows += [head | row for row in _at_total(curves, total, better, confidence)]
    return pd.DataFrame(rows, columns=SPLITS).astype({"n": "Int64"})


def _at_total(
    curves: list[EncoderCurve], total: float, better: int, confidence: float
) -> list[dict]:
    reached = [curve for curve in curves if curve.reaches(total)]
    draws = np.stack([curve.at(total) for curve in reached])
    first = int((better * draws[:, 0]).argmin())
    rows = []
    for place, (curve, own) in enumerate(zip(reached, draws, strict=True)):
        value, lo, hi = interval(own, confidence)
        _, behind, _ = interval(better * (own - draws[first]), confidence)
        standing = BEST if place == first else BEHIND if behind > 0 else TIED
        numbers = {"value": value, "lo": lo, "hi": hi, "standing": standing}
        left = {"text_share": curve.text / total, "unet": total - curve.rest}
        rows.append({"encoder": curve.encoder} | left | numbers)
    return rows
