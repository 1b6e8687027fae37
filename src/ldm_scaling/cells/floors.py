"""The two floors of every metric: what no model of the study can be expected to beat.

`real` compares other real images with the reference, as many as a cell has: what is left is the
metric's error at that n. `reconstruction` compares reference images that went through the
autoencoder: what the autoencoder alone costs. Writes kind, metric, value, lo, hi, n.
"""

from __future__ import annotations

from pathlib import Path

from ..cli import InputError, parser, run
from ..study import MeasureSpec
from ..workdir import write_text
from .bootstrap import resample_weights
from .measure import compare, prepare, read_features, table

COLUMNS = ("kind", "metric", "value", "lo", "hi", "n")


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, MeasureSpec)
    arguments.add_argument("--reference", required=True, type=Path, help="features of test images")
    arguments.add_argument("--real", required=True, type=Path, help="of validation images")
    arguments.add_argument(
        "--reconstruction", required=True, type=Path, help="of test images, autoencoded"
    )
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    spec: MeasureSpec = options.spec
    reference = prepare(read_features(options.reference), spec.metrics.components)
    weights = resample_weights(spec.n, spec.metrics.bootstrap, spec.seed)
    rows = []
    for kind, path in (("real", options.real), ("reconstruction", options.reconstruction)):
        features = read_features(path, like=reference)
        if len(features) < spec.n:
            raise InputError(
                f"{path} has {len(features)} images, fewer than sampling.n = {spec.n}; "
                "different n are never compared"
            )
        for metric, interval in compare(
            features[: spec.n], reference, spec.metrics, weights
        ).items():
            rows.append([kind, metric, *interval, spec.n])
    write_text(options.out, table(COLUMNS, rows))


if __name__ == "__main__":
    run(main)
