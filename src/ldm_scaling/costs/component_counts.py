"""Count parameters and FLOPs of all networks of an image, without their weights.

Writes one row for each text encoder and size: of the study, whose encoder is `own`, or the pairs of
the parameter budget. A row of an adopted model also says whether it evaluates once a step at any
scale of the study, since it is told the scale or is never guided.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..jobs.command import command
from ..jobs.tables import COUNTS, TOLD
from ..jobs.workdir import write_text
from ..workflow.specs.costs import AdoptedSpec, CountComponentsSpec, FamilySpec
from .count_family import family_table, to_csv
from .networks import autoencoder_costs, text_encoder_params


def component_counts(spec: CountComponentsSpec) -> list[dict]:
    """The rows, in the columns `COUNTS`; of adopted models also `TOLD`. What is unknown is nan."""
    return [
        row for encoder, family in spec.encoders.items() for row in _with_encoder(encoder, family)
    ]


def _with_encoder(encoder: str, spec: FamilySpec | AdoptedSpec) -> list[dict]:
    if isinstance(spec, AdoptedSpec):
        return _adopted(encoder, spec)
    text, (_, _, autoencoder) = text_encoder_params(spec.text_encoder), autoencoder_costs(spec)
    around = {"encoder": encoder, "text_params": text, "autoencoder_params": autoencoder}
    rows = [row | around | {"unet_params": row["params"]} for row in family_table(spec)]
    return [{column: row[column] for column in COUNTS} for row in rows]


def _adopted(encoder: str, spec: AdoptedSpec) -> list[dict]:
    from .count_adopted import known_costs, ordered  # seconds of import

    costs = {model.name: known_costs(model) for model in spec.models}
    unguided = [model.name for model in spec.models if model.unguided]
    return [
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
            TOLD: own.told or name in unguided,
        }
        for name, own in ordered(costs, spec.order).items()
    ]


@command
def main(
    spec: CountComponentsSpec,
    out: Annotated[Path, "table of counts"],
) -> None:
    write_text(out, to_csv(component_counts(spec)))
