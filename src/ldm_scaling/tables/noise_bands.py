"""Losses of held-out images by bands of noise levels, along the training of every model.

One row for each stage, size, checkpoint and band, in the columns `NOISE_BANDS`: means over training
seeds, with intervals over images and seeds. Where a size is also trained by a curriculum, its
pretrained models are those of the curriculum's seeds, with which they are compared. `to_come` is
how far the band's loss is above that at the end of the training, as a log ratio: the band that
converges last has the most of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from ..cells.metrics.bootstrap import mean_interval, normalized, resample_counts
from ..data.captions import read_column
from ..jobs.arrays import map_array
from ..jobs.cli import InputError
from ..jobs.command import Option, command
from ..jobs.tables import records, to_csv
from ..jobs.workdir import write_text
from ..kinds.stages import PRETRAIN
from .arguments import Confidence, Out
from .values import Values, interval, with_intervals

NOISE_BANDS = ["stage", "size", "trained", "images", "band", "first_level", "last_level", "value"]
NOISE_BANDS += ["lo", "hi", "to_come", "to_come_lo", "to_come_hi", "n", "seeds"]
_CELL = {"sampler": "", "steps": 0, "guidance": 1.0, "seconds": 0.0, "metric": "loss"}
"""columns of `Values` that losses lack"""


def read_losses(models: list[list[str]], weights: np.ndarray, confidence: float) -> Values:
    """The mean losses of every model, checkpoint and band, with replicates.

    `models` are (stage, size, seed, file of rule noise_losses); `weights` [R, n] are resamples.
    Raises InputError if a file is of another number of images.
    """
    rows, draws = [], []
    for stage, size, seed, file in models:
        losses, trained, borders = (
            np.asarray(map_array(Path(file), name)) for name in ("losses", "trained", "borders")
        )
        if losses.shape[-1] != weights.shape[1]:
            raise InputError(f"{file} is not of {weights.shape[1]} images; delete it and run again")
        for checkpoint, share in zip(losses, trained, strict=True):
            for band, own in enumerate(checkpoint):
                row = {"stage": stage, "size": size, "seed": int(seed), "trained": float(share)}
                row |= {"band": band + 1, "first_level": int(borders[band])}
                row |= {"last_level": int(borders[band + 1]) - 1, "n": len(own)}
                rows.append(row)
                mean = mean_interval(own, weights, confidence)
                draws.append([mean.value, *mean.draws])
    return Values(pd.DataFrame(rows).assign(**_CELL), np.array(draws))


def noise_bands(losses: Values, images: int, confidence: float) -> pd.DataFrame:
    """The table, of what `read_losses` gives; `images` are those of a whole training."""
    losses = losses.where(_compared(losses.rows))
    model = ["stage", "size"]
    counts = losses.rows.groupby(model)["seed"].transform("nunique")
    # stages, and sizes with and without a curriculum, may be trained from unlike numbers of seeds
    parts = [
        losses.where((losses.rows["stage"] == stage) & (counts == count)).over_seeds(
            confidence, also=["band"]
        )
        for stage, count in dict.fromkeys(zip(losses.rows["stage"], counts, strict=True))
    ]
    means = Values(
        pd.concat([own.rows for own in parts], ignore_index=True),
        np.concatenate([own.draws for own in parts]),
    )
    key = ["stage", "size", "band"]
    ends = means.where(means.rows["trained"] == 1)
    end_of = dict(zip(ends.rows[key].itertuples(index=False, name=None), ends.draws, strict=True))
    to_come = [
        interval(np.log(draws / end_of[row.stage, row.size, row.band]), confidence)
        for row, draws in zip(records(means.rows), means.draws, strict=True)
    ]
    table = with_intervals(means, confidence)
    table[["to_come", "to_come_lo", "to_come_hi"]] = to_come
    table["images"] = (table["trained"] * images).round().astype(int)
    seeds = losses.rows.groupby(model)["seed"].nunique().rename("seeds")
    return table.join(seeds, on=model)[NOISE_BANDS]


def _compared(rows: pd.DataFrame) -> pd.Series:
    """Whether a model is shown: of sizes that have a curriculum, only its seeds."""
    arms = rows[rows["stage"] != PRETRAIN]
    seeds = set(zip(arms["size"], arms["seed"], strict=True))
    own = pd.Series(list(zip(rows["size"], rows["seed"], strict=True)), index=rows.index)
    return ~rows["size"].isin(arms["size"]) | own.isin(seeds)


def last_bands(table: pd.DataFrame) -> pd.DataFrame:
    """The band with most to come at the last kept checkpoint, by pretrained size."""
    kept = table[(table["stage"] == PRETRAIN) & (table["trained"] < 1)]
    kept = kept[kept["trained"] == kept["trained"].max()]
    return kept.loc[kept.groupby("size", sort=False)["to_come"].idxmax()]


@command
def main(
    losses: Annotated[
        list[list[str]],
        Option(
            "losses of a model; repeat for each",
            nargs=4,
            names=("STAGE", "SIZE", "SEED", "FILE"),
            repeated=True,
        ),
    ],
    captions: Annotated[Path, "the images' captions, for concepts"],
    images: Annotated[int, "seen in a whole training"],
    bootstrap: Annotated[int, "resamples"],
    seed: Annotated[int, "of the resamples"],
    confidence: Confidence,
    out: Out,
) -> None:
    """Write noise_bands.csv."""
    n = map_array(Path(losses[0][-1]), "losses").shape[-1]
    concepts = read_column(captions, "concept")[:n]
    weights = normalized(resample_counts(concepts, bootstrap, seed))
    table = noise_bands(read_losses(losses, weights, confidence), images, confidence)
    write_text(out, to_csv(table))
    for row in records(last_bands(table)):
        print(
            f"{row.size}: after {row.trained:g} of the training, levels {row.first_level} to"
            f" {row.last_level} have most to come: {row.to_come:.1%}"
        )
