"""Renew the tables of docs/results.md: columns are read from the code that writes them."""

from __future__ import annotations

import importlib
from pathlib import Path

from ..kinds.columns import COLUMNS
from ..kinds.metrics import METRICS, Of
from .reruns import as_table, renew, with_tables

TABLES = {
    "cells": "jobs.tables.CELLS jobs.tables.ON_GPU",
    "best": "jobs.tables.BEST",
    "crossovers": "tables.curves.CROSSOVERS",
    "frontier": "tables.choose.FRONTIER tables.choose.ON_SOME jobs.tables.ON_GPU",
    "envelope": "tables.frontier.ENVELOPE",
    "levers": "tables.frontier.LEVERS",
    "family": "jobs.tables.FAMILY jobs.tables.PARTS costs.published.COLUMNS jobs.tables.OF_ADOPTED",
    "leakage": "tables.leakage.LEAKAGE",
    "floors": "tables.arguments.FLOOR_COLUMNS",
    "fits": "tables.fits.FITS",
    "fixed_setting": "tables.fixed_setting.FIXED_SETTING",
    "acceleration": "tables.acceleration.ACCELERATION",
    "retrieval": "cells.retrieval.COLUMNS",
    "metric_ranking": "tables.metric_agreement.RANKING",
    "metric_agreement": "tables.metric_agreement.AGREEMENT",
    "search_cost": "tables.searches.SEARCH_COST",
    "stitch": "tables.stitch.STITCH",
    "candidates": "tables.candidates.CANDIDATES",
    "inversion": "tables.inverted.INVERSION",
    "superres": "tables.superres.SUPERRES",
    "superres_baselines": "tables.arguments.FLOOR_COLUMNS",
    "dreambooth": "tables.dreambooth.SCORES",
    "components": "tables.components.COMPONENTS",
    "param_budget": "tables.splits.PARAM_BUDGET",
    "param_budget_splits": "tables.splits.SPLITS",
    "noise_bands": "tables.noise_bands.NOISE_BANDS",
    "bias": "tables.bias.BIAS",
    "tone_judge": "cells.judge_tones.JUDGE",
    "claims": "claims.render.COLUMNS",
    "latency": "costs.latency.COLUMNS",
}
"""where the columns of each table stand"""


def columns_of(name: str) -> list[str]:
    """The columns of a table, in their order."""
    found: list[str] = []
    for place in TABLES[name].split():
        module, _, constant = place.rpartition(".")
        found += getattr(importlib.import_module(f"ldm_scaling.{module}"), constant)
    return found


def key_of(name: str, column: str) -> str:
    """The key of `COLUMNS` that explains a column of a table."""
    end = column.rpartition("_")[2]
    return next(key for key in (f"{name}.{column}", column, f"{name}.{end}", end) if key in COLUMNS)


def columns(name: str) -> str:
    """A row for each meaning of a table's columns; last, the columns that are as in cells.csv."""
    meant: dict[str, list[str]] = {}
    shared = set(columns_of("cells")) if name != "cells" else set()
    for column in columns_of(name):
        key = key_of(name, column)
        same = key == column and column in shared
        meaning = "as in [cells.csv](#cellscsv)" if same else COLUMNS[key]
        meant.setdefault(meaning, []).append(f"`{column}`")
    rows = [(", ".join(names), meaning) for meaning, names in meant.items()]
    return as_table(("column", "meaning"), sorted(rows, key=lambda row: row[1].startswith("as in")))


def metrics() -> str:
    """The metrics of the registry, by the names that tables have."""
    rows = []
    for metric in METRICS.values():
        own = metric.of in (Of.FEATURES, Of.SUBJECT_FEATURES) and not metric.extractor
        name = f"{metric.name}_<extractor>" if own else metric.name
        rows.append((f"`{name}`", metric.label, "higher" if metric.higher else "lower"))
    return as_table(("metric", "what it is", "better"), rows)


def renewed(text: str, root: Path) -> str:
    """The document with its tables as the code has them."""
    return with_tables(text, lambda name: metrics() if name == "metrics" else columns(name))


if __name__ == "__main__":
    renew("docs/results.md", __doc__, renewed)
