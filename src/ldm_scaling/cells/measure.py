"""Compare the features of sampled cells with the reference's: two metrics, each with an interval.

Writes one row for each cell and metric: steps, guidance, metric, value, lo, hi, n, nfe, seconds
(an image), status. `fd_<extractor>` is the Frechet distance on the leading principal components of
the reference, `kid_<extractor>` the unscaled KID on all features. A diverged cell has no value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..cli import InputError, Progress, parser, run
from ..data.captions import read_column
from ..shards import map_array
from ..specs import MeasureSpec
from ..study import Metrics, Strict
from ..workdir import write_text
from .bootstrap import Interval, fd_interval, kid_interval, resample_weights
from .frechet import principal_components, project, statistics
from .kid import within

COLUMNS = (
    "steps",
    "guidance",
    "metric",
    "value",
    "lo",
    "hi",
    "n",
    "nfe",
    "seconds",
    "status",
)


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
    status: Literal["ok", "diverged"]


@dataclass(frozen=True)
class Reference:
    """What every cell is compared with, prepared once."""

    features: np.ndarray
    """[M, D]"""
    mean: np.ndarray
    """[D], origin of the principal components"""
    basis: np.ndarray
    """[D, components]"""
    mu: np.ndarray
    """mean on the components"""
    sigma: np.ndarray
    """covariance on the components"""
    pairs: float
    """mean kernel value of two different images"""


def prepare(features: np.ndarray, components: int) -> Reference:
    """The reference of features [M, D].

    Raises InputError if they have not so many principal components.
    """
    mean, basis = principal_components(features, components)
    mu, sigma = statistics(project(features, mean, basis))
    return Reference(features, mean, basis, mu, sigma, float(within(features)[0]))


def compare(
    features: np.ndarray, reference: Reference, metrics: Metrics, weights: np.ndarray
) -> dict[str, Interval]:
    """Every metric of features [n, D], by its name; weights [R, n] resample them."""
    projected = project(features, reference.mean, reference.basis)
    fd = fd_interval(projected, reference.mu, reference.sigma, weights, metrics.confidence)
    kid = kid_interval(features, reference.features, reference.pairs, weights, metrics.confidence)
    return dict(zip(metric_names(metrics), (fd, kid), strict=True))


def metric_names(metrics: Metrics) -> tuple[str, str]:
    """Names of the metrics in tables: the extractor is a part of them."""
    return f"fd_{metrics.extractor}", f"kid_{metrics.extractor}"


def read_features(path: Path, name: str = "features", like: Reference | None = None) -> np.ndarray:
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


def table(columns: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> str:
    """CSV of rows; floats have six significant digits, None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row)
    return text.getvalue()


def concept_weights(captions: Path, spec: MeasureSpec) -> np.ndarray:
    """`resample_weights` of the first n rows of a split's captions.

    Raises InputError if the file has fewer.
    """
    concepts = read_column(captions, "concept")
    if len(concepts) < spec.n:
        raise InputError(f"{captions} has {len(concepts)} rows, fewer than sampling.n = {spec.n}")
    return resample_weights(concepts[: spec.n], spec.metrics.bootstrap, spec.seed)


def measure(
    records: Sequence[CellRecord],
    cells: Path,
    reference: Reference,
    spec: MeasureSpec,
    weights: np.ndarray,
) -> list[list[str | float | None]]:
    """Rows of the table, see COLUMNS, of the cells whose features are arrays in a file.

    Weights [R, n] are those of `resample_weights`, the same for all cells.
    Raises InputError if a cell has not as many features as its record says.
    """
    progress = Progress("measuring cells", len(records))
    rows = []
    for number, record in enumerate(records, start=1):
        results: dict[str, Interval | tuple[None, None, None]]
        if record.status == "ok":
            features = read_features(cells, record.name, like=reference)
            if len(features) != record.n:
                raise InputError(
                    f"{cells}: {record.name} has {len(features)} images, its record {record.n}; "
                    "sample the cell again"
                )
            results = dict(compare(features, reference, spec.metrics, weights))
        else:
            results = dict.fromkeys(metric_names(spec.metrics), (None, None, None))
        for metric, values in results.items():
            tail = (record.n, record.nfe, record.seconds, record.status)
            rows.append([record.steps, record.guidance, metric, *values, *tail])
        progress.update(number)
    return rows


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, MeasureSpec)
    arguments.add_argument("--reference", required=True, type=Path, help="features of real images")
    arguments.add_argument("--cells", required=True, type=Path, help="features of the cells")
    arguments.add_argument("--records", required=True, type=Path, help="cells.json beside them")
    arguments.add_argument("--captions", required=True, type=Path, help="the prompts, for concepts")
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    spec: MeasureSpec = options.spec
    records = read_records(options.records, spec.n)
    weights = concept_weights(options.captions, spec)
    reference = prepare(read_features(options.reference), spec.metrics.components)
    rows = measure(records, options.cells, reference, spec, weights)
    write_text(options.out, table(COLUMNS, rows))


if __name__ == "__main__":
    run(main)
