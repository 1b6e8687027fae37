"""What search_cost.csv says of adaptive guidance searches: its columns, and the aim of them all."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from ..jobs.tables import MODEL, OK

FOUND = ["images", "grid_images", "guidance", "grid_guidance", "value", "grid_value"]
REGRET = ["regret", "regret_lo", "regret_hi", "success", "status"]
SEARCH_COST = [*MODEL, "steps", "metric", "n", *FOUND, *REGRET]


class Aim(NamedTuple):
    """What adaptive searches are to reach, all together."""

    images: float
    """at most this share of the grid's"""
    success: float
    """at least this share of searches"""


AIM = Aim(0.35, 0.95)


def totals(table: pd.DataFrame) -> tuple[int, int, float]:
    """Searches that found something, how many succeed, and the share of the grid's images."""
    searches = table[table["status"] == OK]
    share = table["images"].sum() / table["grid_images"].sum()
    return len(searches), int(searches["success"].sum()), float(share)


def summary(table: pd.DataFrame) -> str:
    """What the command prints, and the figure says."""
    count, successes, share = totals(table)
    met = "met" if share <= AIM.images and successes >= AIM.success * count else "not met"
    return (
        f"{count} searches sample {share:.1%} of the grid's images; in {successes}"
        f" ({successes / max(count, 1):.1%}) the interval of the regret reaches 0. The aim of at"
        f" most {AIM.images:.0%} and at least {AIM.success:.0%} is {met}"
    )
