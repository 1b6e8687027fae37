"""Parameters and FLOPs of every size, counted on the network itself without its weights.

Where a size is one of the paper's, what the paper prints stands beside.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

from ..jobs.command import command
from ..jobs.workdir import write_text
from ..kinds.sizes import channels
from ..models.denoiser import count
from ..workflow.specs.costs import FamilySpec
from .networks import autoencoder_costs, caption_cost
from .published import published_columns


def family_table(spec: FamilySpec) -> list[dict]:
    """One row a size: size, channels, params, gflops (one forward, one image), normalized_cost.

    Then what else an image costs: text_gflops, those of the forward pass that turn text into keys
    and values, which are the same at all steps; decoder_gflops; caption_gflops of the text encoder.
    Then what the paper prints of the size, if it is one of the paper's.
    """
    counts = count(spec.family, spec.latent_shape, spec.text_shape)
    _, reference, _ = counts[spec.family.reference_size]
    _, decoder, _ = autoencoder_costs(spec)
    around = {"decoder_gflops": decoder / 1e9, "caption_gflops": caption_cost(spec) / 1e9}
    return [
        {
            "size": size,
            "channels": channels(size),
            "params": params,
            "gflops": gflops,
            "normalized_cost": gflops / reference,
            "text_gflops": text,
        }
        | around
        | published_columns(spec, size)
        for size, (params, gflops, text) in counts.items()
    ]


def to_csv(rows: list[dict]) -> str:
    """Rows as CSV text, numbers to six digits."""
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        digits = {name: f"{value:.6g}" for name, value in row.items() if isinstance(value, float)}
        writer.writerow(row | digits)
    return table.getvalue()


@command
def main(
    spec: FamilySpec,
    out: Annotated[Path, "family.csv"],
) -> None:
    write_text(out, to_csv(family_table(spec)))
