"""Count parameters and FLOPs of all networks of an image, without their weights.

Writes one row for each text encoder and size: of the study, whose encoder is `own`, or the pairs of
the parameter budget. A row of an adopted model also says whether it evaluates once a step at any
scale of the study, since it is told the scale or is never guided; and how many evaluations of a
prompt its own scheduler takes where that samples the fixed setting.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from ..jobs.command import command
from ..jobs.tables import COUNTS, EVALUATIONS, TOLD
from ..jobs.workdir import write_text
from ..workflow.specs.costs import AdoptedSpec, CountComponentsSpec, FamilySpec
from .count_family import family_table, to_csv
from .networks import autoencoder_costs, text_encoder_params


def component_counts(spec: CountComponentsSpec) -> list[dict]:
    """The rows, in the columns `COUNTS`; of adopted models also `TOLD`. What is unknown is nan.

    With native steps also `EVALUATIONS`.
    """
    return [
        row
        for encoder, family in spec.encoders.items()
        for row in _with_encoder(encoder, family, spec.native_steps)
    ]


def _with_encoder(
    encoder: str, spec: FamilySpec | AdoptedSpec, native_steps: int | None
) -> list[dict]:
    if isinstance(spec, AdoptedSpec):
        return _adopted(encoder, spec, native_steps)
    text, (_, _, autoencoder) = text_encoder_params(spec.text_encoder), autoencoder_costs(spec)
    around = {"encoder": encoder, "text_params": text, "autoencoder_params": autoencoder}
    rows = [row | around | {"unet_params": row["params"]} for row in family_table(spec)]
    return [{column: row[column] for column in COUNTS} for row in rows]


def _adopted(encoder: str, spec: AdoptedSpec, native_steps: int | None) -> list[dict]:
    from .count_adopted import known_costs, native_evaluations, ordered  # seconds of import

    models = {model.name: model for model in spec.models}
    costs = {name: known_costs(model) for name, model in models.items()}
    rows = [
        {
            "encoder": encoder,
            "size": name,
            "text_params": own.text_params,
            "autoencoder_params": own.autoencoder_params,
            "unet_params": own.params,
            "gflops": own.forward / 1e9,
            "text_gflops": 0.0,
            "caption_gflops": own.caption / 1e9,
            "decoder_gflops": own.decode / 1e9,
            TOLD: own.told or models[name].unguided,
        }
        for name, own in ordered(costs, spec.order).items()
    ]
    if native_steps:
        for row in rows:
            model, known = models[row["size"]], not math.isnan(row["unet_params"])
            row[EVALUATIONS] = native_evaluations(model)(native_steps) if known else math.nan
    return rows


@command
def main(
    spec: CountComponentsSpec,
    out: Annotated[Path, "table of counts"],
) -> None:
    write_text(out, to_csv(component_counts(spec)))
