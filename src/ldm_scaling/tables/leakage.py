"""How many held-out images have a near twin in training, so that a model may have seen them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd

from ..data.twins import twins
from ..jobs.arrays import map_array
from ..jobs.command import command
from ..jobs.tables import to_csv
from ..jobs.workdir import write_text
from .arguments import Out

LEAKAGE = ["split", "images", "twins", "leakage"]


@command
def main(
    train: Annotated[Path, "images of the training split"],
    validation: Annotated[Path, "of the validation split"],
    test: Annotated[Path, "of the test split"],
    out: Out,
) -> None:
    """Write leakage.csv."""
    training, rows = map_array(train, "images"), []
    for split, path in (("validation", validation), ("test", test)):
        images = map_array(path, "images")
        found = twins(images, training)
        rows.append((split, len(images), found, found / len(images)))
    write_text(out, to_csv(pd.DataFrame(rows, columns=LEAKAGE)))
