"""What the explorer shows, as plain lists and mappings that JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from scipy.special import ndtri

from ..figures import style
from ..figures.quality_curves import AXIS_LABELS
from ..jobs.tables import FLOOR_COLUMNS, HALF, ON_GPU, read_whole, records, settings_of
from ..kinds.metrics import sign
from ..kinds.samplers import SAMPLERS
from ..study.study import Study
from ..tables.choose import described, read_frontier
from ..tables.curves import AXES
from ..tables.frontier import LEVERS

_CONFIDENCE = 0.95
"""of intervals where the study does not say"""
FIRST = "guided_cost"
"""the axis that the page opens with, as budgets of the answer have it"""
_AXES = {axis: AXIS_LABELS[axis] for axis in (FIRST, *AXES)} | {ON_GPU[0]: "Peak GPU memory (GB)"}
_MARKERS = dict(
    zip(
        style.MARKERS,
        (
            ("circle", "●"),
            ("square", "■"),
            ("triangle-up", "▲"),
            ("diamond", "◆"),
            ("triangle-down", "▼"),
            ("cross", "✚"),
            ("x", "✖"),
            ("triangle-left", "◀"),
            ("triangle-right", "▶"),
            ("hexagon", "⬢"),
            ("pentagon", "⬟"),
        ),
        strict=True,
    )
)
"""what matplotlib's markers are called on the page, and look like in its text"""
_DECIDING = ("stage", "sampler")
_SIZE = "size"
_LABELS = {name: own.label for name, own in SAMPLERS.items()}


def contents(tables: Path, study: Study | None) -> dict[str, Any]:
    """All that the page shows but images. Raises InputError without a frontier.csv."""
    frontier = read_frontier(tables / "frontier.csv")
    # not a metric that no cell has, such as FD-infinity of too few images
    known = frontier.groupby("metric")["value"].transform("count") > 0
    frontier = frontier[known] if known.any() else frontier
    confidence = study.metrics.confidence if study else _CONFIDENCE
    names = settings_of(frontier)
    return {
        "study": study and _study(study),
        "confidence": confidence,
        "quantile": float(ndtri((1 + confidence) / 2)),
        "axes": {axis: label for axis, label in _AXES.items() if _is_known(frontier, axis)},
        "metrics": {
            str(metric): {"label": style.metric_label(str(metric)), "sign": sign(str(metric))}
            for metric in frontier["metric"].unique()
        },
        "settings": {name: _setting(frontier[name]) for name in names},
        "cells": _cells(frontier, names),
        "measured": {
            str(metric): _measured(rows) for metric, rows in frontier.groupby("metric", sort=False)
        },
        "floors": _rows(tables / "floors.csv", FLOOR_COLUMNS),
        "levers": _rows(tables / "levers.csv", LEVERS),
        "claims": _claims(tables / "claims.csv"),
        "cost": _cost(tables.parent),
        "images": {"captions": [], "cells": {}},
    }


def _is_known(table: pd.DataFrame, axis: str) -> bool:
    return axis in table and bool(table[axis].notna().any())


def _rows(path: Path, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of a table; none if it is not there."""
    return _records(read_whole(path, columns, may_be_empty=True)) if path.is_file() else []


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, without what is empty."""
    rows = json.loads(table.to_json(orient="records", double_precision=15))
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _setting(column: pd.Series) -> dict[str, Any]:
    """The values of a setting, in order, and how each of them looks."""
    numeric = pd.api.types.is_numeric_dtype(column)
    values = column.dropna().unique().tolist()
    if numeric:
        values = sorted(values)
    elif column.name == _SIZE:
        values = style.in_order(values)
    colors = style.sequence(values, "plasma" if column.name == _SIZE else "viridis")
    marks = style.markers(values)
    return {
        "numeric": numeric,
        "values": [
            {
                "value": value,
                "label": f"{value:g}" if numeric else _LABELS.get(value, value),
                "color": colors[value],
                "symbol": _MARKERS[marks[value]][0],
                "mark": _MARKERS[marks[value]][1],
            }
            for value in values
        ],
    }


def _cells(frontier: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """The number, name, settings and costs of every configuration."""
    costs = [axis for axis in _AXES if axis in frontier]
    cells = frontier.drop_duplicates("cell")
    rows = _records(cells[["cell", *names, *costs]])
    said = [described(row, frontier) for _, row in cells.iterrows()]
    return [
        {
            "cell": row["cell"],
            "name": name,
            "settings": {name: row[name] for name in names if name in row},
            "costs": {axis: row[axis] for axis in costs if axis in row},
        }
        for row, name in zip(rows, said, strict=True)
    ]


def _measured(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The value of each configuration, its interval, and its values on halves of the concepts."""
    halves = rows[[name for name in rows if str(name).startswith(HALF)]].to_numpy(float)
    shown = _records(rows[["cell", "value", "lo", "hi", "n", "status"]])
    return [
        row | {"halves": own.tolist() if "value" in row else []}
        for row, own in zip(shown, halves, strict=True)
    ]


def _claims(path: Path) -> list[dict[str, Any]]:
    """Claims with their verdicts, and the settings of the cells that decide each of them."""
    rows = _rows(path, ["id", "verdict"])
    for row in rows:
        pairs = [pair.split("/") for pair in row.pop("cells", "").split()]
        row["settings"] = {name: [pair[at] for pair in pairs] for at, name in enumerate(_DECIDING)}
    return rows


def _study(study: Study) -> dict[str, Any]:
    """The study's name, and the keys of each section as YAML."""
    sections = study.model_dump(mode="json", exclude_none=True, exclude={"name", "seed"})
    texts = {
        name: yaml.safe_dump(keys, sort_keys=False, allow_unicode=True)
        for name, keys in sections.items()
    }
    return {"name": study.name, "seed": study.seed, "sections": texts}


def _cost(results: Path) -> dict[str, Any] | None:
    """What the run took, rule by rule, else what its plan says; None if neither is known."""
    return _taken(results / "benchmarks") or _planned(results / "plan.csv")


def _taken(folder: Path) -> dict[str, Any] | None:
    files = sorted(folder.glob("**/*.tsv"))
    if not files:
        return None
    jobs = pd.concat([pd.read_csv(path, sep="\t", na_values=["-", "NA"]) for path in files])
    rules = [path.relative_to(folder).parts[0].removesuffix(".tsv") for path in files]
    rows = (
        jobs.groupby(rules)
        .agg(jobs=("s", "size"), seconds=("cpu_time", "sum"), memory=("max_rss", "max"))
        .sort_values("seconds", ascending=False)
    )
    return {
        "title": "What the run took",
        "total": f"{rows['seconds'].sum():,.0f} CPU-seconds in {len(jobs)} jobs",
        "columns": ["rule", "jobs", "CPU-seconds", "most memory (MB)"],
        "rows": [[rule, *map(round, row)] for rule, *row in rows.fillna(0).itertuples()],
    }


def _planned(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    rows = read_whole(path, ["rule", "jobs", "flops", "hours", "device", "utilisation_percent"])
    first = rows.iloc[0]
    return {
        "title": "What the plan says",
        "total": f"{rows['flops'].sum():.2g} FLOPs, {rows['hours'].sum():.2g} hours of one"
        f" {first['device']} at {first['utilisation_percent']:g} %",
        "columns": ["rule", "jobs", "FLOPs", "hours"],
        "rows": [
            [row.rule, row.jobs, f"{row.flops:.2g}", f"{row.hours:.2g}"] for row in records(rows)
        ],
    }
