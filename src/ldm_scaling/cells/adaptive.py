"""What an adaptive search of the guidance sees: the metric of the first images of a cell.

The metric is that which `measure` takes of whole cells, against the same reference. On few images a
Frechet distance is far too high, and about equally so at every scale; a KID is not. A score is the
mean over images. Higher scores are better, so the search sees them times -1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ..jobs.arrays import fingerprint_of
from ..jobs.cli import InputError
from ..kinds.metrics import METRICS
from ..workflow.specs.cells import CellSpec, SearchSpec
from .comparison import Reference, prepare, value_of
from .measure import read_features
from .search import DIVERGED, Estimate, Found, search

Metric = Callable[[np.ndarray], float]
"""of features [m, D], or of scores [m]; lower is better"""


def metric_of(reference: Reference | None, select_by: str) -> Metric:
    """The value of a metric without its interval, times its sign.

    It compares features with a reference, as `compare` does, or takes the mean of scores.
    """
    own = METRICS[select_by]
    if reference is None:
        return lambda scores: own.sign * float(scores.mean())
    value = value_of(select_by)
    return lambda features: own.sign * value(features, reference)


def load_metric(
    path: Path | None, select_by: str, components: int | None
) -> tuple[Metric, list[str]]:
    """The metric that selects, and the fingerprint of its reference, if it has one.

    Raises InputError if the features of real images are missing or have too few components.
    """
    if not METRICS[select_by].compares:
        return metric_of(None, select_by), []
    if path is None:
        raise InputError("--reference: an adaptive search needs the features of real images")
    reference = prepare(read_features(path), components)
    return metric_of(reference, select_by), [fingerprint_of(path)]


def searches(spec: SearchSpec | None) -> dict[str, list[CellSpec]]:
    """The cells among which each search finds a guidance, by its name, such as steps8."""
    found: dict[str, list[CellSpec]] = {}
    for cell in spec.candidates if spec else []:
        found.setdefault(cell.searched, []).append(cell)
    return found


def estimate(metric: Metric, kept: np.ndarray, images: int, n: int) -> Estimate:
    """What the first images, of a cell of n, say of a metric.

    What is kept of each, its features or score, is of fewer images if the cell diverged.
    """
    own = kept[:images].astype(np.float64)
    if len(own) < images:
        return DIVERGED
    return Estimate(metric(own)) if images == n else Estimate.of(own, metric)


def find_guidance(
    candidates: list[CellSpec],
    look: float,
    kept_of: Callable[[CellSpec, int], np.ndarray],
    metric: Metric,
) -> tuple[Found, list[CellSpec]]:
    """The search among cells that differ in guidance, and those that it has sampled whole.

    `kept_of(cell, images)` are features or scores of the first so many images, or of fewer where
    these diverged. That a cell diverges later on is not known before it is sampled whole.
    """
    cells, n = {cell.guidance: cell for cell in candidates}, candidates[0].n

    def evaluate(scale: float, images: int) -> Estimate:
        return estimate(metric, kept_of(cells[scale], images), images, n)

    found = search(list(cells), evaluate, n, look)
    return found, [cells[scale] for scale in found.finalists]


def looks_array(found: Found, sign: int = 1) -> np.ndarray:
    """What was looked at, in order: float64 [looks, 3] of guidance, images and metric.

    The search saw the metric times `sign`.
    """
    rows = [(look.guidance, look.images, sign * look.value) for look in found.looks]
    return np.array(rows, float)


def different(cells: Iterable[CellSpec]) -> list[CellSpec]:
    """The cells, each once."""
    return list({cell.name: cell for cell in cells}.values())
