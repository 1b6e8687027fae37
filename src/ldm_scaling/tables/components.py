"""Shares of text encoder, autoencoder and U-Net in an image's parameters, FLOPs and seconds.

One row for each size and component, in the columns `COMPONENTS`, at the fixed setting.
"""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from ..jobs.cli import InputError
from ..jobs.command import command, csv
from ..jobs.tables import COUNTS, EVALUATIONS, TOLD, records, to_csv
from ..jobs.workdir import write_text
from ..kinds.stages import OWN
from .arguments import Guidance, Out, Steps

_PARAMS = {
    "text_encoder": "text_params",
    "autoencoder": "autoencoder_params",
    "unet": "unet_params",
}
PARTS = list(_PARAMS)
_BYTES = 4
"""of a parameter as it is stored, float32"""
COMPONENTS = ["size", "component", "params", "params_share", "bytes"]
COMPONENTS += ["gflops", "gflops_share", "seconds", "seconds_share", "device"]
_SECONDS = ["component", "size", "seconds", "status", "device"]


def image_costs(
    rows: pd.DataFrame, evaluations: pd.Series | float, texts: pd.Series | float
) -> pd.DataFrame:
    """GFLOPs of an image in columns text_encoder, unet and autoencoder, for rows of `COUNTS`.

    As a total cost counts them: the caption, and with guidance the empty one, are `texts` that are
    encoded once and turned into keys and values once, and have so many evaluations each; of the
    autoencoder the decoder works once.
    """
    unet = (
        texts * evaluations * (rows["gflops"] - rows["text_gflops"]) + texts * rows["text_gflops"]
    )
    text = texts * rows["caption_gflops"]
    columns = {"text_encoder": text, "autoencoder": rows["decoder_gflops"], "unet": unet}
    return pd.DataFrame(columns, index=rows.index)


def components_table(
    counts: pd.DataFrame, seconds: pd.DataFrame, steps: int, texts: int
) -> pd.DataFrame:
    """The rows, smallest size first; shares are of the size's whole, and nan if a part is unknown.

    GFLOPs and seconds are of an image: of the autoencoder only the decoder works, its parameters
    and bytes are those of both halves. There is an evaluation a step for each of the texts, unless
    the counts have `EVALUATIONS`. An adopted model that is told the guidance scale has one text.
    """
    own = counts[counts["encoder"] == OWN].reset_index(drop=True)
    evaluations = own.get(EVALUATIONS, steps)
    encoded = pd.Series(texts, own.index).mask(own[TOLD], 1) if TOLD in own else texts
    timed = seconds.assign(size=seconds["size"].fillna("")).set_index(["component", "size"])
    rows = []
    for _, count in own.join(image_costs(own, evaluations, encoded)).iterrows():
        for part in PARTS:
            shared = (part, "")  # what all sizes have
            key = shared if shared in timed.index else (part, count["size"])
            if key not in timed.index:
                raise InputError(f"{' '.join(key)} was not timed; delete both and run again")
            params = count[_PARAMS[part]]
            of_time = {name: timed.loc[key, name] for name in ("seconds", "device")}
            costs = {"params": params, "bytes": _BYTES * params, "gflops": count[part]}
            rows.append({"size": count["size"], "component": part} | costs | of_time)
    table = pd.DataFrame(rows)
    for column in ("params", "gflops", "seconds"):
        whole = table.groupby("size")[column].transform(lambda own: own.sum(skipna=False))
        table[f"{column}_share"] = table[column] / whole
    table = table.astype({"params": "Int64", "bytes": "Int64"})
    return table[COMPONENTS]


@command
def main(
    counts: Annotated[pd.DataFrame, csv("models/components.csv", COUNTS, [TOLD, EVALUATIONS])],
    seconds: Annotated[pd.DataFrame, csv("component_seconds.csv", _SECONDS)],
    steps: Steps,
    guidance: Guidance,
    out: Out,
) -> None:
    """Write components.csv."""
    table = components_table(counts, seconds, steps, 2 if guidance > 1 else 1)
    write_text(out, to_csv(table))
    for row in records(table):
        print(f"{row.size} {row.component}: {row.params:,} parameters, {row.params_share:.1%}")
