"""Power laws of metrics against training compute: value - floor = coefficient x compute^-exponent.

The floor is 0, and for distances also that of real images, below which no model is expected:
without it an exponent is too small. Least squares on logarithms. `lo` and `hi` of an exponent say
how far resampled images and seeds move it, not how well a power law describes the points.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd

from ..jobs.cli import positive
from ..jobs.command import Option, command
from ..jobs.tables import OK, to_csv
from ..jobs.workdir import write_text
from ..kinds.metrics import HIGHER_IS_BETTER
from ..kinds.sizes import channels
from .arguments import Confidence, Floors, Out
from .at_setting import AtSetting
from .values import Values, interval

FITS = [
    "metric",
    "size",
    "floor",
    "exponent",
    "lo",
    "hi",
    "coefficient",
    "points",
    "n",
    "r2",
    "status",
]
ENVELOPE = "envelope"
TRAINING_FORWARDS = 3
"""forward passes that a training step costs: one forward, two for the two gradients"""


class PowerLaws(NamedTuple):
    """Fits of several draws, each [D]; nan where there are fewer than two different computes."""

    exponent: np.ndarray
    coefficient: np.ndarray
    """value at a compute of 1"""
    r2: np.ndarray
    """of the logarithms"""


def training_flops(rows: pd.DataFrame, images: int) -> pd.Series:
    """FLOPs that training has cost up to a checkpoint: 3 x FLOPs of a forward x images seen.

    `images` are those of the whole training; rows have gflops and trained.
    A backward pass costs two forward passes (Kaplan et al. 2020, section 2.1).
    """
    return TRAINING_FORWARDS * 1e9 * rows["gflops"] * rows["trained"] * images


def power_laws(compute: np.ndarray, values: np.ndarray, used: np.ndarray) -> PowerLaws:
    """Fits of values [P, D] above 0, at computes [P], to the points `used` [P, D] of each draw."""
    x = np.log(compute)[:, None]
    y = np.log(values, where=used, out=np.zeros_like(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = (np.sum(used * v, axis=0) / used.sum(axis=0) for v in (x, y))
        dx, dy = used * (x - mean_x), used * (y - mean_y)
        xx, xy, yy = (dx**2).sum(axis=0), (dx * dy).sum(axis=0), (dy**2).sum(axis=0)
        slope = np.where(xx > 1e-12, xy / xx, np.nan)
        return PowerLaws(-slope, np.exp(mean_y - slope * mean_x), slope * xy / yy)


def on_envelope(compute: np.ndarray, values: np.ndarray, higher: bool = False) -> np.ndarray:
    """Which of the values [P, D], at computes [P], none at or below their compute beats.

    The lowest value is the best, or with `higher` the highest; nan is never on the envelope.
    """
    badness = -values if higher else values
    earlier = compute[None, :] <= compute[:, None]
    beaten = (badness[None, :] < badness[:, None]) & earlier[:, :, None]
    return np.isfinite(values) & ~beaten.any(axis=1)


def fits_table(values: Values, images: int, confidence: float, floor: float = 0) -> pd.DataFrame:
    """The fits of one metric's checkpoints above a floor, in the columns `FITS`, smallest first.

    `values` are of `at_setting`. Failed checkpoints are left out. What cannot be fitted has a
    status: a power law needs values above 0, in every draw, and two checkpoints.
    """
    rows, draws = values.rows, values.draws - floor
    compute = training_flops(rows, images).to_numpy()
    metric = rows["metric"].iloc[0]
    curves = {}  # of each: which rows it consists of, and which of these in each draw
    for size in sorted(set(rows["size"]), key=channels):
        own = (rows["size"] == size).to_numpy()
        curves[size] = own, np.isfinite(draws[own])
    every = np.full(len(rows), True)
    curves[ENVELOPE] = every, on_envelope(compute, draws, metric in HIGHER_IS_BETTER)
    table = []
    for name, (own, used) in curves.items():
        row = {"metric": metric, "size": name, "floor": floor, "points": used[:, 0].sum()}
        row["n"] = rows["n"].iloc[0]
        if (draws[own] <= 0).any():
            row["status"] = f"values not above {'the floor' if floor else '0'}"
        elif row["points"] < 2:
            row["status"] = "fewer than 2 points"
        else:
            laws = power_laws(compute[own], draws[own], used)
            row |= {"coefficient": laws.coefficient[0], "r2": laws.r2[0], "status": OK}
            row["exponent"], row["lo"], row["hi"] = interval(laws.exponent, confidence)
        table.append(row)
    return pd.DataFrame(table, columns=FITS)


def floors_of(metric: str, floors: pd.DataFrame) -> list[float]:
    """0, and of a distance that of real images, if that is above 0."""
    own = floors[(floors["metric"] == metric) & (floors["kind"] == "real")]["value"]
    return [0.0, *(value for value in own if value > 0 and metric not in HIGHER_IS_BETTER)]


@command
def main(
    values: AtSetting,
    floors: Floors,
    confidence: Confidence,
    images: Annotated[int, Option("images of a whole training", positive(int))],
    out: Out,
) -> None:
    """Write fits.csv."""
    tables = [
        fits_table(own, images, confidence, floor)
        for own in values
        for floor in floors_of(own.metric, floors)
    ]
    for table in tables:
        for status, rows in table[table["status"] != OK].groupby("status"):
            print(f"{table['metric'][0]}: no power law of {', '.join(rows['size'])}: {status}")
    write_text(out, to_csv(pd.concat(tables, ignore_index=True)))
