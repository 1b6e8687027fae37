"""Cells of one setting of the sampler: of kept checkpoints, and after the whole training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..jobs.choice import at_fixed
from ..jobs.cli import InputError
from ..jobs.command import Read
from ..jobs.tables import read_table
from .arguments import CellFiles, Confidence, Guidance, Steps
from .values import Values, read_values

Setting = tuple[int, float, float]
"""steps, guidance, and the confidence of the intervals"""


def at_setting(values: Values, steps: int, guidance: float, confidence: float) -> Values:
    """The cells of this setting, kept checkpoints too, as means over training seeds.

    Raises InputError if there are none.
    """
    rows = values.rows
    chosen = at_fixed(rows, steps, guidance)
    if not chosen.any():
        raise InputError(
            f"no cell of {steps} steps at guidance {guidance:g} was measured: sampling.fixed"
        )
    return values.where(chosen).over_seeds(confidence)


def read_at_setting(
    cells: Path, draws: Path, setting: Setting, metrics: list[str] | None = None
) -> list[Values]:
    """The cells of a setting, of these metrics or of all that were measured."""
    if metrics is None:
        metrics = list(read_table(cells, ["metric"])["metric"].unique())
    return [at_setting(read_values(cells, draws, metric), *setting) for metric in metrics]


def read_setting(
    cells: CellFiles, steps: Steps, guidance: Guidance, confidence: Confidence
) -> list[Values]:
    """The cells of a setting, of each metric that was measured."""
    return read_at_setting(*cells, (steps, guidance, confidence))


AtSetting = Annotated[list[Values], Read(read_setting)]
