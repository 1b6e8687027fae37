"""The two floors of every metric: what no model of the study can be expected to beat.

`real` compares other real images with the reference, as many as a cell has: what is left is the
metric's error at that n. `reconstruction` compares reference images that went through the
autoencoder: what the autoencoder alone costs. The CLIP or CLIP-like score has no reference
and is for `real` that of the test images with their own captions. Writes kind, metric, value, lo,
hi, n.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..jobs.cli import InputError, parser, run
from ..jobs.tables import FLOOR_COLUMNS, to_csv
from ..jobs.workdir import write_text
from ..workflow.specs.measuring import MeasureSpec
from .comparison import compare, prepare
from .measure import clip_like, clip_score, find_scorer, read_features, read_prompts


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
    arguments.add_argument("--clip-like", type=Path, help="maps, if metrics.clip_like is set")
    arguments.add_argument("--out", required=True, type=Path, help="table to write")
    options = arguments.parse_args()
    spec: MeasureSpec = options.spec
    prompts, every = read_prompts(options.captions, spec)
    reference = prepare(read_features(options.reference), spec.metrics.components, every)
    scorer = find_scorer(options.clip_like, spec, reference)
    kinds = (
        ("real", options.real, read_prompts(options.real_captions, spec)[0], options.reference),
        ("reconstruction", options.reconstruction, prompts, options.reconstruction),
    )
    rows = []
    for kind, path, own_prompts, scored in kinds:
        features = read_features(path, like=reference)
        if len(features) < spec.n:
            raise InputError(
                f"{path} has {len(features)} images, fewer than sampling.n = {spec.n}; "
                "different n are never compared"
            )
        results = compare(features[: spec.n], reference, spec.metrics, own_prompts)
        results |= clip_score(scored, "clip", spec, prompts)
        if scorer is not None:
            own = read_features(scored, like=reference)[: spec.n]
            results |= clip_like(own, scorer, spec, prompts)
        found = {metric: interval for metric, interval in results.items() if interval}
        rows += [[kind, metric, *interval[:3], spec.n] for metric, interval in found.items()]
    write_text(options.out, to_csv(pd.DataFrame(rows, columns=FLOOR_COLUMNS)))


if __name__ == "__main__":
    run(main)
