"""The two floors of every metric: what no model of the study can be expected to beat.

`real` compares other real images with the reference, as many as a cell has: what is left is the
metric's error at that n. `reconstruction` compares reference images that went through the
autoencoder: what the autoencoder alone costs. Writes kind, metric, value, lo, hi, n.
"""

from __future__ import annotations

from pathlib import Path

from ..cli import InputError, parser, run
from ..specs import MeasureSpec
from ..workdir import write_text
from .measure import compare, concept_weights, prepare, read_features, table

COLUMNS = ("kind", "metric", "value", "lo", "hi", "n")


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, MeasureSpec)
    arguments.add_argument("--reference", required=True, type=Path, help="features of test images")
    arguments.add_argument("--real", required=True, type=Path, help="of validation images")
    arguments.add_argument(
        "--reconstruction", required=True, type=Path, help="of test images, autoencoded"
    )
    arguments.add_argument("--captions", required=True, type=Path, help="of the test images")
    arguments.add_argument("--real-captions", required=True, type=Path, help="of validation images")
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    spec: MeasureSpec = options.spec
    reference = prepare(read_features(options.reference), spec.metrics.components)
    kinds = (
        ("real", options.real, options.real_captions),
        ("reconstruction", options.reconstruction, options.captions),
    )
    rows = []
    for kind, path, captions in kinds:
        features = read_features(path, like=reference)
        if len(features) < spec.n:
            raise InputError(
                f"{path} has {len(features)} images, fewer than sampling.n = {spec.n}; "
                "different n are never compared"
            )
        weights = concept_weights(captions, spec)
        chosen = features[: spec.n]
        for metric, interval in compare(chosen, reference, spec.metrics, weights).items():
            rows.append([kind, metric, *interval, spec.n])
    write_text(options.out, table(COLUMNS, rows))


if __name__ == "__main__":
    run(main)
