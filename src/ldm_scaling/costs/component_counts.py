"""Count parameters and FLOPs of all networks of an image, without their weights.

Writes one row for each text encoder and size: of the study, whose encoder is `own`, or the pairs of
the parameter budget.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..jobs.command import command
from ..jobs.tables import COUNTS
from ..jobs.workdir import write_text
from ..workflow.specs.costs import CountComponentsSpec, FamilySpec
from .count_family import family_table, to_csv
from .networks import autoencoder_costs, text_encoder_params


def component_counts(spec: CountComponentsSpec) -> list[dict]:
    """The rows, in the columns `COUNTS`; nan is unknown."""
    return [
        row for encoder, family in spec.encoders.items() for row in _with_encoder(encoder, family)
    ]


def _with_encoder(encoder: str, spec: FamilySpec) -> list[dict]:
    text, (_, _, autoencoder) = text_encoder_params(spec.text_encoder), autoencoder_costs(spec)
    around = {"encoder": encoder, "text_params": text, "autoencoder_params": autoencoder}
    rows = [row | around | {"unet_params": row["params"]} for row in family_table(spec)]
    return [{column: row[column] for column in COUNTS} for row in rows]


@command
def main(
    spec: CountComponentsSpec,
    out: Annotated[Path, "table of counts"],
) -> None:
    write_text(out, to_csv(component_counts(spec)))
