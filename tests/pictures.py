"""Pictures of noise, and the command that prepares data, for the tests of data."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ldm_scaling.data import prepare
from ldm_scaling.study.data import Data
from ldm_scaling.workflow.specs.data import PrepareSpec

SIZE = 8


def data_of(path: Path | None, validation: int = 4, test: int = 6, **more: Any) -> Data:
    """Settings of an image folder (or of the emoji source, without a path)."""
    return Data(
        source="imagefolder" if path else "emoji",
        path=str(path) if path else None,
        image_size=SIZE,
        splits={"validation": validation, "test": test},
        **{"styles": ["noto"], **more},
    )


def picture(number: int, mode: str = "RGB", size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    """A picture of noise that no other number has."""
    noise = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def run_prepare(monkeypatch, data: Data, out: Path, seed: int = 0, archive: Path | None = None):
    """Run the command in this process."""
    spec = PrepareSpec(seed=seed, data=data).model_dump_json()
    more = ["--archive", str(archive)] if archive else []
    monkeypatch.setattr("sys.argv", ["prepare", "--spec", spec, "--out", str(out), *more])
    prepare.main()


def rows_of(out: Path, split: str) -> list[dict[str, str]]:
    """The captions of a split."""
    with (out / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def metadata(folder: Path, *rows: dict[str, Any]) -> Path:
    """Replace the metadata by JSON lines."""
    (folder / "metadata.csv").unlink(missing_ok=True)
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder
