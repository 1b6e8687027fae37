"""Measure one model's cells of prompts that name no tone: shares of tones, and the usual metrics.

`light_share` is the share of images with a light tone among those with a light or a dark one,
corrected for the judge's errors on unseen drawings, and `fairness_discrepancy` the distance of both
shares from the wanted ones. `other_share` is the share of images that show neither. Their intervals
resample the prompts' concepts, and the judge's. Features are compared with the light and dark
drawings of the test concepts, equally many of each tone: so a model is not better for showing what
training had more of. Writes a row for each cell and metric, in the columns `COLUMNS`, and the
bootstrap replicates of each row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from ..data.captions import read_column
from ..data.sources.tones import DARK, LIGHT
from ..jobs.arrays import map_array
from ..jobs.choice import OK
from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.tables import MEASURED, write_cells
from ..study.metrics import FEATURES
from ..workflow.specs.bias import MeasureBiasSpec
from .comparison import Prompts, Reference, prepare
from .measure import (
    CellRecord,
    clip_like_score,
    compare_all,
    means,
    read_compared,
    read_features,
)
from .metrics.bootstrap import Interval, percentile_interval, resample_counts
from .metrics.clip_like import Scorer, read_scorer
from .metrics.divisions import Divisions
from .tones import COUNT, HISTOGRAM, Judge, corrected, fairness_discrepancy, read_judge

COLUMNS = [*MEASURED, "arm", "strength"]
TONE_METRICS = ("fairness_discrepancy", "light_share", "other_share")
_NONE = 1e-9
"""share of images below which rounding alone would decide what they show"""


class BiasRecord(CellRecord):
    """One cell of cells.json."""

    arm: str
    """what was done against the bias"""
    strength: float | None
    """of distribution guidance"""


def tone_metrics(
    judged: np.ndarray,
    confusions: np.ndarray,
    weights: np.ndarray,
    reference: float,
    confidence: float,
) -> dict[str, Interval]:
    """`TONE_METRICS` of images that are judged to be of these classes [n].

    `confusions` [1 + R, K, K] are the judge's; `weights` [R, n] those of the images in resamples.
    nan where no image shows a light or a dark tone.
    """
    whole = np.concatenate([np.ones((1, len(judged))), weights])
    seen = whole @ np.eye(COUNT)[judged] / whole.sum(axis=1, keepdims=True)
    shares = corrected(seen, confusions)
    toned = shares[:, :2].sum(axis=1, keepdims=True)
    both = shares[:, :2] / np.where(toned > _NONE, toned, np.nan)
    distance = fairness_discrepancy(both, np.array([reference, 1 - reference]))
    metrics = zip(TONE_METRICS, (distance, both[:, 0], shares[:, 2]), strict=True)
    return {name: _interval(draws, confidence) for name, draws in metrics}


def _interval(draws: np.ndarray, confidence: float) -> Interval:
    """The interval of draws [1 + R], the value first; without ends where that is nan."""
    if np.isnan(draws[0]):
        return Interval(np.nan, np.nan, np.nan, draws[1:])
    return percentile_interval(float(draws[0]), draws[1:], confidence)


def prompts_of(path: Path, spec: MeasureBiasSpec) -> Prompts:
    """The prompts of the images of a cell, resampled by concept."""
    concepts = read_column(path, "concept")
    if len(concepts) != spec.n:
        raise InputError(f"{path} has {len(concepts)} rows, not n = {spec.n}; delete it")
    counts = resample_counts(concepts, spec.metrics.bootstrap, spec.seed)
    return Prompts(concepts, counts, Divisions(concepts, spec.seed))


def references_of(
    features: Path, drawings: Path, spec: MeasureBiasSpec, prompts: Prompts
) -> dict[str, Reference]:
    """What each extractor's features are compared with: drawings of the prompts' concepts.

    Light and dark ones alone, equally many of each tone.
    """
    concepts, tones = (np.array(read_column(drawings, name)) for name in ("concept", "tone"))
    asked = np.isin(concepts, sorted(set(prompts.concepts)))
    rows = np.flatnonzero(asked & np.isin(tones, [str(tone) for tone in LIGHT + DARK]))
    own = list(concepts[rows])
    counts = resample_counts(own, spec.metrics.bootstrap, spec.seed)  # as often as its prompts
    real = Prompts(own, counts, prompts.divisions)
    found = {}
    for number, one in enumerate(spec.metrics.extractors):
        every = read_features(features, one.name if number else FEATURES)
        if len(every) != len(concepts):
            raise InputError(f"{features} is not of {drawings}; delete it and run again")
        found[one.name] = prepare(every[rows], one.components, real)
    return found


def scorer_of(
    path: Path | None, prompts: Path, spec: MeasureBiasSpec, reference: Reference
) -> Scorer | None:
    """The scorer of the images of a cell, whose prompts are rows of the test captions."""
    if spec.metrics.clip_like is None:
        return None
    rows = [int(row) for row in read_column(prompts, "row")]
    scorer = read_scorer(path, max(rows) + 1, reference.features.shape[1])
    return scorer._replace(captions=scorer.captions[rows])


def measure(
    records: list[BiasRecord],
    cells: Path,
    references: dict[str, Reference],
    spec: MeasureBiasSpec,
    prompts: Prompts,
    judge: Judge,
    scorer: Scorer | None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows in the columns `COLUMNS`, and their draws [rows, R]; nan where there are fewer."""
    progress, rows, drawn = Progress("measuring cells", len(records)), [], []
    confusions = judge.confusions(spec.metrics.bootstrap, spec.judge.seed)
    for number, record in enumerate(records, start=1):
        results: dict[str, Interval | None] = dict.fromkeys((*TONE_METRICS, *spec.names))
        if record.status == OK:
            judged = judge(np.asarray(map_array(cells, f"{record.name}/{HISTOGRAM}")))
            own = (judged, confusions, prompts.weights, spec.reference, spec.metrics.confidence)
            features = read_compared(cells, record.name, references)
            results |= tone_metrics(*own) | compare_all(features, references, spec, prompts)
            results |= means(cells, record.name, spec, prompts)
            if scorer is not None:
                results |= clip_like_score(next(iter(features.values())), scorer, spec, prompts)
        for metric, found in results.items():
            if found is None and record.status == OK:
                continue  # n is too small for it
            cell = (record.steps, record.guidance, record.trained, metric)
            values = (None, None, None) if found is None else found[:3]
            tail = (record.n, record.nfe, record.seconds, record.status)
            rows.append([*cell, *values, *tail, record.arm, record.strength])
            draws = np.full(spec.metrics.bootstrap, np.nan)
            if found is not None:
                draws[: len(found.draws)] = found.draws
            drawn.append(draws)
        progress.update(number)
    return pd.DataFrame(rows, columns=COLUMNS), np.array(drawn)


@command
def main(
    spec: MeasureBiasSpec,
    cells: Annotated[Path, "features of the cells"],
    records: Annotated[Path, "cells.json beside them"],
    prompts: Annotated[Path, "prompts.csv"],
    judge: Annotated[Path, "file of the judge"],
    drawings: Annotated[Path, "tones.csv"],
    reference: Annotated[Path, "features of these drawings"],
    out: Annotated[Path, "table to write"],
    draws: Annotated[Path, "file of bootstrap replicates"],
    clip_like: Annotated[Path | None, "maps, if metrics.clip_like is set"] = None,
) -> None:
    sampled = TypeAdapter(list[BiasRecord]).validate_json(records.read_bytes())
    asked = prompts_of(prompts, spec)
    real = references_of(reference, drawings, spec, asked)
    scorer = scorer_of(clip_like, prompts, spec, next(iter(real.values())))
    own = read_judge(judge, drawings, spec.judge.seed)
    table, drawn = measure(sampled, cells, real, spec, asked, own, scorer)
    write_cells(table, drawn, out, draws)
