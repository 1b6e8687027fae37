"""Where the trained models of a configuration are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..kinds.sizes import SEPARATOR
from ..kinds.stages import PRETRAIN, STITCH
from ..study.study import Study
from ..workflow import paths


def model_folders(study: Study, row: pd.Series) -> list[Path]:
    """Folders of the trained models of a configuration."""
    stage, sizes = row["stage"], [row["size"]]
    if stage == STITCH:
        stage, sizes = PRETRAIN, row["size"].split(SEPARATOR)
    return [Path(paths.model(study, stage, size, study.training_seeds[0])) for size in sizes]
