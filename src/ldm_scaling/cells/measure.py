"""Compare the features of sampled cells with the reference's: metrics, each with an interval.

Where there are prompts alone, cells have no features, and the scores of images are the metrics.
Writes one row for each cell and metric, in the columns `COLUMNS`. `allocation` has the steps of
each model of a stitched trajectory. Columns `ON_SOME` are there too if some cell has them.
Writes the bootstrap replicates of each value, {cell}/{metric}, float64 [resamples].
`fd_<extractor>` is the Frechet distance on the leading principal components of the reference, `fid`
on all dimensions of clean-fid's Inception-v3. A diverged cell has no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, TypeAdapter, ValidationError

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.choice import OK
from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.tables import CHOSEN, MEASURED, ON_GPU, to_csv, without_empty
from ..jobs.workdir import fingerprint, write_text
from ..study.fields import Strict
from ..study.metrics import CLIP_LIKE, FEATURES
from ..study.superres import INCEPTION_SCORE
from ..workflow.specs.measuring import MeasureSpec
from .comparison import Prompts, Reference, compare, prepare
from .metrics.bootstrap import Interval, mean_interval, resample_counts
from .metrics.clip_like import Scorer, read_scorer
from .metrics.divisions import Divisions
from .metrics.inception_score import inception_score, read_head

COLUMNS = (*MEASURED, "allocation")
ON_SOME = [*ON_GPU, "noise", *CHOSEN]
"""further columns, that a table has if some cell has them"""


FEW = "n is too small"
"""status of a metric that would need more images"""


class CellRecord(Strict):
    """One sampled cell, as it stands in cells.json."""

    name: str
    """of its array of features"""
    steps: int
    guidance: float
    n: int
    nfe: int
    """network evaluations of one image"""
    seconds: float
    """of one image"""
    trained: float
    """share of the training that the model has seen"""
    status: Literal["ok", "diverged", "out_of_memory", "levels_unseen"]
    allocation: str | None = None
    """of a stitched trajectory: the steps that each of its models takes, such as 2-6"""
    noise: str | None = None
    """of inversion: where the initial noise comes from, such as global or ascent10"""
    memory_gb: float | None = None
    """of a GPU, at the peak of sampling, in 10⁹ bytes"""
    batch: int | None = None
    """most images that the GPU sampled at a time"""
    method: str | None = None
    """of a cell that keeps one of several candidates: how they are made"""
    candidates: int | None = None
    """of how many; nfe and seconds are of all of them"""
    verified: int | None = None
    """images that were decoded and scored for each one that is kept"""
    spread: dict[str, float] = Field(default_factory=dict)
    """by metric: standard deviation of scores between candidates of the same image"""


def means(path: Path, cell: str, spec: MeasureSpec, prompts: Prompts) -> dict[str, Interval]:
    """The means of a cell's scores and fidelities, by the metric's name.

    Arrays have the name of the cell in front; those of real images have no cell. Raises InputError
    if a file has not n finite numbers.
    """
    names = [*(own.name for own in spec.metrics.scorers), *(spec.fidelity or [])]
    arrays = {name: f"{cell}/{name}" if cell else name for name in names}
    return {name: _mean_of(path, array, spec, prompts) for name, array in arrays.items()}


def _mean_of(path: Path, name: str, spec: MeasureSpec, prompts: Prompts) -> Interval:
    values = map_array(path, name)[: spec.n]
    if values.shape != (spec.n,) or not np.isfinite(values).all():
        raise InputError(
            f"{path}: {name} is not {spec.n} finite numbers; delete the file and run again"
        )
    return mean_interval(values, prompts.weights, spec.metrics.confidence)


def clip_like_score(
    features: np.ndarray, scorer: Scorer, spec: MeasureSpec, prompts: Prompts
) -> dict[str, Interval]:
    """The mean CLIP-like score of features [n, D] with the prompts, by the metric's name."""
    interval = mean_interval(scorer(features), prompts.weights, spec.metrics.confidence)
    return {CLIP_LIKE: interval}


def find_scorer(path: Path | None, spec: MeasureSpec, reference: Reference) -> Scorer | None:
    """The scorer of the prompts, or None if the study has none. Raises InputError as its reader."""
    if spec.metrics.clip_like is None:
        return None
    return read_scorer(path, spec.n, reference.features.shape[1])


def read_features(path: Path, name: str = FEATURES, like: Reference | None = None) -> np.ndarray:
    """Features [N, D] of a file, as float64.

    Raises InputError if they are not finite, or not of the same dimensions as the reference's.
    """
    features = np.asarray(map_array(path, name), dtype=np.float64)
    if features.ndim != 2 or (like is not None and features.shape[1:] != like.features.shape[1:]):
        wanted = "[N, D]" if like is None else f"[N, {like.features.shape[1]}], as the reference"
        raise InputError(f"{path}: {name} is {list(features.shape)}, not {wanted}")
    if not np.isfinite(features).all():
        raise InputError(f"{path}: {name} is not finite; delete the file and run again")
    return features


def read_references(path: Path, spec: MeasureSpec, prompts: Prompts) -> dict[str, Reference]:
    """What each extractor's features are compared with, by its name. Raises InputError too."""
    found = {}
    for number, own in enumerate(spec.metrics.extractors):
        features = read_features(path, own.name if number else FEATURES)
        found[own.name] = prepare(features, own.components, prompts)
    return found


def read_compared(
    path: Path, cell: str, references: Mapping[str, Reference]
) -> dict[str, np.ndarray]:
    """Features [N, D] of a cell, or of real images, by each extractor; the first one first."""
    found = {}
    for number, (name, reference) in enumerate(references.items()):
        array = "/".join(part for part in (cell, name if number else "") if part)
        found[name] = read_features(path, array or FEATURES, like=reference)
    return found


def compare_all(
    features: Mapping[str, np.ndarray],
    references: Mapping[str, Reference],
    spec: MeasureSpec,
    prompts: Prompts,
) -> dict[str, Interval | None]:
    """Every metric of features, by its name in tables; None where n is too small for it."""
    results: dict[str, Interval | None] = {}
    for name, own in features.items():
        results |= compare(own, references[name], name, prompts, spec.metrics.confidence)
    return results


def read_records(path: Path, n: int) -> list[CellRecord]:
    """The cells of a cells.json. Raises InputError if it is unusable or a cell is not of n."""
    try:
        records = TypeAdapter(list[CellRecord]).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {key} {first['msg']}") from None
    for record in records:
        if record.n != n:
            raise InputError(
                f"{path}: {record.name} has n = {record.n}, the study has sampling.n = {n}; "
                "different n are never compared, sample the cell again"
            )
    return records


def read_prompts(captions: Path, spec: MeasureSpec) -> tuple[Prompts, Prompts]:
    """The first n rows of a split's captions, and all of them, which resample the real images.

    Raises InputError if the file has fewer.
    """
    concepts = read_column(captions, "concept")
    if len(concepts) < spec.n:
        raise InputError(f"{captions} has {len(concepts)} rows, fewer than sampling.n = {spec.n}")
    counts = resample_counts(concepts, spec.metrics.bootstrap, spec.seed)
    first, every = (
        Prompts(concepts[:end], counts[:, :end], Divisions(concepts[:end], spec.seed))
        for end in (spec.n, None)
    )
    return first, every


def measure(
    records: Sequence[CellRecord],
    cells: Path,
    references: Mapping[str, Reference],
    spec: MeasureSpec,
    prompts: Prompts,
    scorer: Scorer | None,
    head: np.ndarray | None = None,
) -> tuple[list[list[str | float | None]], dict[str, np.ndarray]]:
    """Rows of the table, see COLUMNS, of the cells whose features and scores are in a file.

    And the draws of each row, by {cell}/{metric}. `references` are those of `read_references`, none
    where there are prompts alone.

    Raises InputError if a cell has not as many features as its record says.
    """
    progress = Progress("measuring cells", len(records))
    rows, draws = [], {}
    for number, record in enumerate(records, start=1):
        results: dict[str, Interval | None]
        if record.status == OK:
            features = read_compared(cells, record.name, references)
            for own in features.values():
                if len(own) != record.n:
                    raise InputError(
                        f"{cells}: {record.name} has {len(own)} images, its record {record.n}; "
                        "sample the cell again"
                    )
            results = compare_all(features, references, spec, prompts)
            results |= means(cells, record.name, spec, prompts)
            first = next(iter(features.values()), None)
            if first is not None and scorer is not None:
                results |= clip_like_score(first, scorer, spec, prompts)
            if first is not None and head is not None:
                score = inception_score(first, head, prompts.weights, spec.metrics.confidence)
                results[INCEPTION_SCORE] = score
        else:
            results = dict.fromkeys(spec.names)
        for metric, interval in results.items():
            values = (None, None, None) if interval is None else interval[:3]
            if interval is not None:
                draws[f"{record.name}/{metric}"] = interval.draws
            status = FEW if interval is None and record.status == OK else record.status
            tail = (record.n, record.nfe, record.seconds, status, record.allocation)
            cell = (record.steps, record.guidance, record.trained)
            some = (record.memory_gb, record.batch, record.noise)
            chosen = (record.method, record.candidates, record.verified, record.spread.get(metric))
            rows.append([*cell, metric, *values, *tail, *some, *chosen])
        progress.update(number)
    return rows, draws


@command
def main(
    spec: MeasureSpec,
    cells: Annotated[Path, "features of the cells"],
    records: Annotated[Path, "cells.json beside them"],
    captions: Annotated[Path, "the prompts, for concepts"],
    out: Annotated[Path, "table to write"],
    draws: Annotated[Path, "file of resampled values"],
    reference: Annotated[Path | None, "features of real images, if there are any"] = None,
    clip_like: Annotated[Path | None, "maps, if metrics.clip_like is set"] = None,
    head: Annotated[Path | None, "Inception-v3, for the inception score"] = None,
) -> None:
    sampled = read_records(records, spec.n)
    prompts, every = read_prompts(captions, spec)
    real, scorer = {}, None
    if spec.metrics.extractors:
        if reference is None:
            raise InputError("--reference: metrics of features need those of real images")
        real = read_references(reference, spec, every)
        scorer = find_scorer(clip_like, spec, next(iter(real.values())))
    classes = read_head(head) if INCEPTION_SCORE in spec.names else None
    rows, drawn = measure(sampled, cells, real, spec, prompts, scorer, classes)
    write_arrays(draws, drawn, fingerprint(spec, fingerprint_of(cells)))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *ON_SOME])
    write_text(out, to_csv(without_empty(table, ON_SOME)))
