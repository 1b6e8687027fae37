"""What super-resolution is to beat, and what it cannot beat.

`bicubic` are the low-resolution images, enlarged without a model; `reconstruction` are the
originals that went through the autoencoder. Writes kind, metric, value, lo, hi, n.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ..jobs.arrays import map_array
from ..jobs.cli import InputError, Progress, batches, parser, run
from ..jobs.tables import FLOOR_COLUMNS, to_csv
from ..jobs.workdir import write_text
from ..latents.autoencoder import add_autoencoder, load_named, reconstruct
from ..study.superres import INCEPTION_SCORE
from ..training.devices import own_device
from ..workflow.specs.measuring import BaselinesSpec
from .comparison import Prompts, Reference, compare, prepare
from .features import BATCH, Measuring, add_measuring, load_measuring
from .measure import read_features, read_prompts
from .metrics.bootstrap import mean_interval
from .metrics.fidelity import fidelity_names
from .metrics.inception_score import inception_score, read_head


def measured(
    images_of: Callable[[slice], np.ndarray], measuring: Measuring, n: int, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, D], as a cell keeps them, and fidelities [n, 3] of images by their rows."""
    assert measuring.extractor and measuring.fidelity  # `BaselinesSpec` has both
    features, fidelity = [], []
    progress = Progress(label, n)
    for rows in batches(n, BATCH):
        images = images_of(rows)
        features.append(measuring.extractor(images).astype(np.float16))
        fidelity.append(measuring.fidelity(images, rows))
        progress.update(rows.stop)
    return np.concatenate(features).astype(np.float64), np.concatenate(fidelity)


def baseline_rows(
    kind: str,
    found: tuple[np.ndarray, np.ndarray],
    reference: Reference,
    spec: BaselinesSpec,
    prompts: Prompts,
    head: np.ndarray | None,
) -> list[list[str | float]]:
    """The table's rows of one kind."""
    features, fidelity = found
    metrics = spec.measure.metrics
    results = dict(compare(features, reference, metrics, prompts))
    for name, values in zip(fidelity_names(spec.perceptual), fidelity.T, strict=True):
        results[name] = mean_interval(values, prompts.weights, metrics.confidence)
    if head is not None:
        score = inception_score(features, head, prompts.weights, metrics.confidence)
        results[INCEPTION_SCORE] = score
    there = {metric: interval for metric, interval in results.items() if interval}
    return [[kind, metric, *interval[:3], spec.n] for metric, interval in there.items()]


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, BaselinesSpec)
    arguments.add_argument("--enlarged", required=True, type=Path, help="images, bicubic")
    arguments.add_argument("--reference", required=True, type=Path, help="features of originals")
    add_autoencoder(arguments)
    arguments.add_argument("--concepts", required=True, type=Path, help="CSV of the originals")
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    add_measuring(arguments)
    options = arguments.parse_args()
    spec: BaselinesSpec = options.spec
    device = own_device()
    measuring = load_measuring(spec, options, spec.n, device)
    autoencoder = load_named(options).to(device)
    enlarged, originals = (
        map_array(path, "images") for path in (options.enlarged, options.originals)
    )
    if len(enlarged) != spec.n:
        raise InputError(f"{options.enlarged} has {len(enlarged)} images, not {spec.n}; delete it")
    kinds = {
        "bicubic": lambda rows: enlarged[rows],
        "reconstruction": lambda rows: reconstruct(autoencoder, originals[rows]),
    }
    prompts, every = read_prompts(options.concepts, spec.measure)
    components = spec.measure.metrics.components
    reference = prepare(read_features(options.reference), components, every)
    rows, head = [], None
    if INCEPTION_SCORE in spec.measure.names:
        head = read_head(options.weights)
    for kind, images_of in kinds.items():
        found = measured(images_of, measuring, spec.n, kind)
        rows += baseline_rows(kind, found, reference, spec, prompts, head)
    write_text(options.out, to_csv(pd.DataFrame(rows, columns=FLOOR_COLUMNS)))


if __name__ == "__main__":
    run(main)
