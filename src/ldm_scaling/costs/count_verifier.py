"""What it costs that the study's score looks at an image, counted without weights.

Writes one row, in the columns `VERIFIER`. A score that is fitted here looks by the first extractor,
and maps what that sees, and the caption's embedding, which the model has anyway. A scorer of others
embeds the image and the caption by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..jobs.command import command
from ..jobs.tables import VERIFIER
from ..jobs.workdir import write_text
from ..workflow.specs.candidates import VerifierSpec
from .count_family import to_csv
from .seen import count_seeing


def verifier_cost(spec: VerifierSpec) -> dict[str, str | float]:
    """The row: GFLOPs of an image, and of a prompt; nan is unknown."""
    seen = count_seeing(spec)
    if spec.map_width is None:
        image, caption = seen.scorers[spec.verifier]
    else:
        own = seen.extractors[spec.extractors[0].name]
        # a multiply-add is 2 FLOPs; the cosine is one more of each
        image = own.flops + 2 * spec.map_width * (own.width + 1)
        caption = 2 * spec.map_width * spec.text_width
    row = {"verifier": spec.verifier, "image_gflops": image / 1e9, "caption_gflops": caption / 1e9}
    return {name: row[name] for name in VERIFIER}


@command
def main(
    spec: VerifierSpec,
    out: Annotated[Path, "verifier.csv"],
) -> None:
    write_text(out, to_csv([verifier_cost(spec)]))
