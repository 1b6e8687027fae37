"""Write the explorer: one HTML file with every curve, image and claim of a study's tables.

It needs no network and no other file. DIR is the folder of the tables; frontier.csv is required,
others are shown if they are there, and so are the times of jobs in DIR/../benchmarks.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from ..data.captions import read_column
from ..jobs.cli import parse_spec
from ..jobs.command import Option, command
from ..jobs.workdir import write_text
from ..study.study import Study
from ..tables.arguments import Out
from .content import contents
from .images import Sampled, thumbnails
from .page import page


@command
def main(
    tables: Annotated[Path, "folder of the tables"],
    out: Out,
    study: Annotated[
        Study | None, Option("JSON of the whole study, or @FILE", partial(parse_spec, Study))
    ] = None,
    captions: Annotated[Path | None, "test.csv"] = None,
    images: Annotated[
        list[tuple[str, str, str, str, str]] | None,
        Option(
            "images of a model's cells; repeat for each",
            nargs=5,
            names=("STAGE", "SIZE", "SAMPLER", "SCHEDULE", "FILE"),
            repeated=True,
        ),
    ] = None,
) -> None:
    """Write explorer.html."""
    content = contents(tables, study)
    if images and captions:
        files = [Sampled(*own) for own in images]
        content["images"] = thumbnails(content["cells"], files, read_column(captions, "caption"))
    text = page(content)
    write_text(out, text)
    print(f"{len(content['cells'])} configurations, {len(text.encode()) / 1e6:.1f} MB")
