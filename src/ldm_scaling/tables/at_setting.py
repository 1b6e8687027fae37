"""Cells of one setting of the sampler: of kept checkpoints, and after the whole training."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..jobs.cli import InputError, fraction
from ..jobs.tables import read_table
from .values import Values, add_cells, read_values

Setting = tuple[int, float, float]
"""steps, guidance, and the confidence of the intervals"""


def at_setting(values: Values, steps: int, guidance: float, confidence: float) -> Values:
    """The cells of this setting, kept checkpoints too, as means over training seeds.

    Raises InputError if there are none.
    """
    rows = values.rows
    chosen = (rows["steps"] == steps) & (rows["guidance"] == guidance)
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


def add_setting(to: ArgumentParser) -> None:
    """Add the arguments of a table of one sampler's cells at the fixed setting."""
    add_cells(to, "cells.csv of one sampler and the draws beside it", several=False)
    to.add_argument("--steps", required=True, type=int, help="of the fixed setting")
    to.add_argument("--guidance", required=True, type=float, help="of the fixed setting")
    to.add_argument("--confidence", required=True, type=fraction, help="of the intervals")


def setting_of(options: Namespace) -> Setting:
    """What `add_setting` reads, without the cells."""
    return options.steps, options.guidance, options.confidence
