"""The two floors of every metric: what no model of the study can be expected to beat.

`real` compares other real images with the reference, as many as a cell has: what is left is the
metric's error at that n. `reconstruction` compares reference images that went through the
autoencoder: what the autoencoder alone costs; adopted models have no one autoencoder. The CLIP or
CLIP-like score has no reference and is for `real` that of the test images with their own captions.
Writes kind, metric, value, lo, hi, n.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd

from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.tables import FLOOR_COLUMNS, to_csv
from ..jobs.workdir import write_text
from ..workflow.specs.measuring import MeasureSpec
from .comparison import compare, prepare
from .measure import clip_like_score, clip_score, find_scorer, read_features, read_prompts


@command
def main(
    spec: MeasureSpec,
    reference: Annotated[Path, "features of test images"],
    real: Annotated[Path, "of validation images"],
    captions: Annotated[Path, "of the test images"],
    real_captions: Annotated[Path, "of validation images"],
    out: Annotated[Path, "table to write"],
    reconstruction: Annotated[Path | None, "of test images, autoencoded"] = None,
    clip_like: Annotated[Path | None, "maps, if metrics.clip_like is set"] = None,
) -> None:
    prompts, every = read_prompts(captions, spec)
    prepared = prepare(read_features(reference), spec.metrics.components, every)
    scorer = find_scorer(clip_like, spec, prepared)
    kinds = [("real", real, read_prompts(real_captions, spec)[0], reference)]
    if reconstruction:
        kinds.append(("reconstruction", reconstruction, prompts, reconstruction))
    rows = []
    for kind, path, own_prompts, scored in kinds:
        features = read_features(path, like=prepared)
        if len(features) < spec.n:
            raise InputError(
                f"{path} has {len(features)} images, fewer than sampling.n = {spec.n}; "
                "different n are never compared"
            )
        results = compare(features[: spec.n], prepared, spec.metrics, own_prompts)
        results |= clip_score(scored, "clip", spec, prompts)
        if scorer is not None:
            own = read_features(scored, like=prepared)[: spec.n]
            results |= clip_like_score(own, scorer, spec, prompts)
        found = {metric: interval for metric, interval in results.items() if interval}
        rows += [[kind, metric, *interval[:3], spec.n] for metric, interval in found.items()]
    write_text(out, to_csv(pd.DataFrame(rows, columns=FLOOR_COLUMNS)))
