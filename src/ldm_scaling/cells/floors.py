"""The two floors of every metric: what no model of the study can be expected to beat.

`real` compares other real images with the reference, as many as a cell has: what is left is the
metric's error at that n. `reconstruction` compares reference images that went through the
autoencoder: what the autoencoder alone costs; adopted models have no one autoencoder. A score has
no reference; for `real` it is that of the test images with their own captions.
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
from .measure import (
    clip_like_score,
    compare_all,
    find_scorer,
    means,
    read_compared,
    read_prompts,
    read_references,
)


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
    references = read_references(reference, spec, every)
    scorer = find_scorer(clip_like, spec, next(iter(references.values())))
    kinds = [("real", real, read_prompts(real_captions, spec)[0], reference)]
    if reconstruction:
        kinds.append(("reconstruction", reconstruction, prompts, reconstruction))
    rows = []
    for kind, path, own_prompts, scored in kinds:
        features = read_compared(path, "", references)
        if (count := min(map(len, features.values()))) < spec.n:
            raise InputError(
                f"{path} has {count} images, fewer than sampling.n = {spec.n}; "
                "different n are never compared"
            )
        first_n = {name: own[: spec.n] for name, own in features.items()}
        results = compare_all(first_n, references, spec, own_prompts)
        results |= means(scored, "", spec, prompts)
        if scorer is not None:
            own = next(iter(read_compared(scored, "", references).values()))[: spec.n]
            results |= clip_like_score(own, scorer, spec, prompts)
        found = {metric: interval for metric, interval in results.items() if interval}
        rows += [[kind, metric, *interval[:3], spec.n] for metric, interval in found.items()]
    write_text(out, to_csv(pd.DataFrame(rows, columns=FLOOR_COLUMNS)))
