"""Each other schedule of a sampler's steps against the study's: quality at the same cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from matplotlib.figure import Figure

from ..jobs.command import Option, Read
from ..tables.arguments import Confidence, Floors, Metric
from ..tables.values import Values, read_values
from . import samplers_vs_cost

OfSchedules = Annotated[
    list[tuple[str, str, str]],
    Option(
        "a schedule, its cells.csv and the draws beside it; repeat for each",
        nargs=3,
        names=("SCHEDULE", "CELLS", "DRAWS"),
        repeated=True,
    ),
]


def read_schedules(cells: OfSchedules, metric: Metric) -> list[Values]:
    """The cells of each schedule, with its name instead of the sampler's."""
    found = []
    for schedule, table, draws in cells:
        values = read_values(Path(table), Path(draws), metric)
        found.append(Values(values.rows.assign(sampler=schedule), values.draws))
    return found


def draw(
    cells: Annotated[list[Values], Read(read_schedules)], floors: Floors, confidence: Confidence
) -> Figure:
    """The figure, from the cells of one sampler on each schedule, the study's first."""
    return samplers_vs_cost.draw(cells, floors, confidence)
