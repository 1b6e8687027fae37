"""Read inversion.csv: students whose initial noise was made for a score."""

from __future__ import annotations

from pathlib import Path

from ..jobs.tables import read_whole
from ..kinds.noises import NONE
from .values import Values, read_values

INVERSION = ["stage", "size", "noise", "seed", "sampler", "steps", "guidance", "metric", "value"]
INVERSION += ["lo", "hi", "n", "nfe", "sampling_cost", "guided_cost", "total_cost", "fit_cost"]
INVERSION += ["seconds", "status"]


def read_inverted(table: Path, file: Path, metric: str) -> Values:
    """The cells of a metric, with draws, as tables of values have them."""
    values = read_values(table, file, metric, INVERSION)
    rows = values.rows.assign(trained=1.0, grid=True, at_boundary=False)
    return Values(rows, values.draws)


def read_every(table: Path, file: Path) -> dict[str, Values]:
    """The cells of each metric, with draws."""
    names = read_whole(table, INVERSION)["metric"].unique()
    return {name: read_inverted(table, file, name) for name in names}


def over_seeds(values: Values, confidence: float) -> Values:
    """Means over training seeds; noises tell cells apart."""
    return values.over_seeds(confidence, also=["noise"])


def made(values: Values) -> Values:
    """Without unit noise, whose cells the stage of the students has too."""
    return values.where(values.rows["noise"] != NONE)
