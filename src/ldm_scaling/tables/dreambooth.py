"""How well each size keeps subjects, prompts and classes, before and after it was taught subjects.

Writes dreambooth.csv: for each stage, size, training seed and metric a row of all subjects together
and one of each, with means over their images and intervals. Writes draws.safetensors, the bootstrap
replicates of each value. Replicates of all subjects resample the subjects and within them the
images, the same for all sizes, stages and metrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..jobs.arrays import map_array, read_header
from ..jobs.cli import InputError, positive
from ..jobs.command import Option, command, csv
from ..jobs.tables import OK, records, write_cells
from ..kinds.cells import DIVERGED
from .arguments import Confidence, Family, Guidance, Out, Sampler, Steps
from .values import Values, interval, read_values, student_over_normal

ALL = "all"
"""of rows that are about all subjects"""
SUBJECTS = ["subject", "name", "class", "images"]
SCORES = ["stage", "size", "seed", "subject", "name", "class", "metric", "value", "lo", "hi", "n"]
SCORES += ["params", "sampler", "steps", "guidance", "seconds", "status"]
NOT_METRICS = {"seconds", "images"}


def resampled_means(values: np.ndarray, weights: np.ndarray, widen: float) -> np.ndarray:
    """The mean of values, then its bootstrap replicates, [1 + R].

    Weights are [R, *values.shape], each resample's sum 1; distances from their mean are stretched.
    """
    values = values.astype(np.float64)
    drawn = np.tensordot(weights, values, axes=values.ndim)
    return np.concatenate([[values.mean()], values.mean() + widen * (drawn - drawn.mean())])


def resamples(
    subjects: int, images: int, count: int, seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weights of images in `count` resamples: of all subjects [R, K, n], and of each [R, n].

    Whole subjects are drawn, and of each one drawn its images anew.
    """
    generator = np.random.default_rng((seed, subjects, images))
    even = np.full(images, 1 / images)
    every = np.zeros((count, subjects, images))
    drawn = generator.integers(subjects, size=(count, subjects))
    for place in range(subjects):
        chosen = generator.multinomial(images, even, size=count) / (images * subjects)
        every[np.arange(count), drawn[:, place]] += chosen
    each = [generator.multinomial(images, even, size=count) / images for _ in range(subjects)]
    return every, each


def widening(subjects: int, confidence: float) -> float:
    """What makes resamples of few subjects as wide as Student's interval of their mean.

    Drawn with replacement, k of them have (k - 1) / k of the variance, and a normal's tails.
    """
    if subjects < 2:
        return 1.0
    tail = (1 - confidence) / 2
    return student_over_normal(tail, subjects - 1) * (subjects / (subjects - 1)) ** 0.5


def model_scores(
    path: Path, subjects: pd.DataFrame, resampled: int, confidence: float, seed: int
) -> tuple[list[dict], list[np.ndarray]]:
    """Rows of a scores.safetensors and their draws. Raises InputError if it has other subjects."""
    rows, draws = [], []
    names = sorted(name for name in read_header(path) if "/" in name)
    for name in names:
        stage, metric = name.split("/")
        if metric in NOT_METRICS:
            continue
        scores = np.asarray(map_array(path, name))
        if len(scores) != len(subjects):
            raise InputError(
                f"{path} has scores of {len(scores)} subjects, not of {len(subjects)}; delete it"
                " and run again"
            )
        seconds = np.asarray(map_array(path, f"{stage}/seconds")).astype(float)
        count, images = scores.shape
        every, each = resamples(count, images, resampled, seed)
        own = {"stage": stage, "metric": metric}
        wide = widening(len(scores), confidence)
        rows.append(own | {"subject": ALL, "n": scores.size, "seconds": seconds.mean()})
        draws.append(resampled_means(scores, every, wide))
        for subject, weights in zip(records(subjects), each, strict=True):
            number = subject.Index
            of_one = {"subject": str(number), "name": subject.name, "class": subject.noun}
            rows.append(own | of_one | {"n": images, "seconds": seconds[number]})
            draws.append(resampled_means(scores[number], weights, 1.0))
    return rows, draws


def scores_table(
    rows: pd.DataFrame, draws: np.ndarray, family: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """The rows in the columns `SCORES`. Raises InputError for a size that is not in family.csv."""
    if unknown := sorted(set(rows["size"]) - set(family["size"])):
        raise InputError(f"size {unknown[0]} is not in the family table")
    rows = rows.join(family.set_index("size")["params"], on="size")
    rows[["value", "lo", "hi"]] = [interval(own, confidence) for own in draws]
    rows["status"] = np.where(rows["value"].notna(), OK, DIVERGED)
    return rows.reindex(columns=SCORES)


def read_scores(table: Path, file: Path, metric: str) -> Values:
    """The rows of one metric, as a table of cells has them. Raises InputError as `read_values`."""
    values = read_values(table, file, metric, SCORES)
    return Values(values.rows.assign(trained=1.0), values.draws)


def of_all(values: Values, stage: str) -> Values:
    """The rows of a stage that are about all subjects."""
    return values.where((values.rows["stage"] == stage) & (values.rows["subject"] == ALL))


@command
def main(
    scores: Annotated[
        list[list[str]],
        Option(
            "scores of a model before and after; repeat for each",
            nargs=3,
            names=("SIZE", "SEED", "FILE"),
            repeated=True,
        ),
    ],
    subjects: Annotated[pd.DataFrame, csv("subjects.csv", SUBJECTS)],
    family: Family,
    sampler: Sampler,
    steps: Steps,
    guidance: Guidance,
    confidence: Confidence,
    bootstrap: Annotated[int, Option("resamples", positive(int))],
    seed: Annotated[int, "of the resamples"],
    table_out: Out,
    draws_out: Out,
) -> None:
    """Write dreambooth.csv and its draws."""
    subjects = subjects.rename(columns={"class": "noun"})
    setting = {"sampler": sampler, "steps": steps, "guidance": guidance}
    rows, draws = [], []
    for size, training_seed, path in scores:
        if not training_seed.isdecimal():
            raise InputError(f"--scores: seed {training_seed} is no number")
        own, drawn = model_scores(Path(path), subjects, bootstrap, confidence, seed)
        rows += [{"size": size, "seed": int(training_seed), **setting, **row} for row in own]
        draws += drawn
    table = scores_table(pd.DataFrame(rows), np.array(draws), family, confidence)
    write_cells(table, np.array(draws)[:, 1:], table_out, draws_out)
    for row in records(table[table["subject"] == ALL]):
        print(f"{row.stage} {row.size} {row.metric}: {row.value:.3g} [{row.lo:.3g}, {row.hi:.3g}]")
