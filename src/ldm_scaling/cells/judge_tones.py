"""Prepare the judge of tones, and say how often it errs on concepts that it was not fitted to.

Writes the judge's file: `histogram` (float16, [N, 216]) of every drawing of tones.safetensors after
the autoencoder, as generated images are seen; `classes` (uint8, [N]), their places among light,
dark and other; `trees` (int64, [1]). Whoever reads it fits the trees, in seconds. Writes
tone_judge.csv: of the drawings of each class, of concepts that no training image shows, the share
that is judged to be of each, with its interval.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..data.captions import read_column
from ..data.sources.tones import CLASSES, class_of
from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.cli import InputError, Progress, batches, parser, run
from ..jobs.tables import to_csv
from ..jobs.workdir import file_hash, fingerprint, write_text
from ..latents.autoencoder import add_autoencoder, load_named, reconstruct, weights_hash
from ..training.devices import own_device
from ..workflow.specs.bias import JudgeSpec
from .features import BATCH
from .metrics.bootstrap import percentile_interval
from .tones import HISTOGRAM, Judge, histograms, read_judge

JUDGE = ["tone", "judged", "value", "lo", "hi", "images", "concepts"]


def errors_table(judge: Judge, spec: JudgeSpec) -> pd.DataFrame:
    """How drawings of unseen concepts are judged, in the columns `JUDGE`."""
    counts = judge.confusions(spec.bootstrap, spec.seed)
    with np.errstate(invalid="ignore"):  # a resample may lack a class
        shares = counts / counts.sum(axis=-1, keepdims=True)
    rows = []
    for row, tone in enumerate(CLASSES):
        for column, judged in enumerate(CLASSES):
            draws = shares[:, row, column]
            found = percentile_interval(float(draws[0]), draws[1:], spec.confidence)
            rows.append((tone, judged, *found[:3], int(counts[0, row].sum())))
    return pd.DataFrame(rows, columns=JUDGE[:-1]).assign(concepts=len(judge.errors[0]))


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, JudgeSpec)
    arguments.add_argument("--images", required=True, type=Path, help="tones.safetensors")
    arguments.add_argument("--drawings", required=True, type=Path, help="tones.csv")
    add_autoencoder(arguments)
    arguments.add_argument("--out", required=True, type=Path, help="file of the judge")
    arguments.add_argument("--table", required=True, type=Path, help="tone_judge.csv")
    options = arguments.parse_args()
    spec: JudgeSpec = options.spec
    images = map_array(options.images, "images")
    tones = [int(tone) for tone in read_column(options.drawings, "tone")]
    if len(tones) != len(images):
        raise InputError(f"{options.drawings} has {len(tones)} rows, not {len(images)}; delete it")
    autoencoder = load_named(options).to(own_device())
    progress, parts = Progress("histograms", len(images)), []
    for rows in batches(len(images), BATCH):
        parts.append(histograms(reconstruct(autoencoder, images[rows])))
        progress.update(rows.stop)
    content = fingerprint(
        spec, fingerprint_of(options.images), file_hash(options.drawings), weights_hash(autoencoder)
    )
    arrays = {
        HISTOGRAM: np.concatenate(parts),
        "classes": np.array([class_of(tone) for tone in tones], np.uint8),
        "trees": np.array([spec.trees]),
    }
    write_arrays(options.out, arrays, content)
    table = errors_table(read_judge(options.out, options.drawings, spec.seed), spec)
    write_text(options.table, to_csv(table))
    for row in table.itertuples():
        print(f"{row.tone}, judged {row.judged}: {row.value:.1%} [{row.lo:.1%}, {row.hi:.1%}]")


if __name__ == "__main__":
    run(main)
