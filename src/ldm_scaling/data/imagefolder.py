"""Source `imagefolder`: a folder of images with metadata.csv or metadata.jsonl.

The convention is Hugging Face's: a column `file_name`, relative to the folder, and a column `text`
(or `caption`). An optional column `concept` keeps images together in one split; without it every
caption is a concept of its own.
"""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

from PIL import Image

from ..cli import InputError
from ..study import Data
from .records import Record


def _rows(folder: Path) -> tuple[Path, list[dict]]:
    if not folder.is_dir():
        raise InputError(f"data.path: {folder} is no folder")
    try:
        if (path := folder / "metadata.csv").exists():
            with path.open(newline="", encoding="utf-8-sig") as file:
                return path, list(csv.DictReader(file))
        if (path := folder / "metadata.jsonl").exists():
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            return path, [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    raise InputError(f"data.path: {folder} has neither metadata.csv nor metadata.jsonl")


def records(data: Data, archive_path: Path | None = None) -> list[Record]:
    """Records in the order of the metadata.

    Raises InputError naming file and row for a missing file, column or caption.
    """
    folder = Path(data.path)
    path, rows = _rows(folder)
    result = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}, row {number}: no JSON object")
        name = row.get("file_name")
        caption = str(row.get("text") or row.get("caption") or "").strip()
        if not name:
            raise InputError(f"{path}, row {number}: no file_name")
        if not caption:
            raise InputError(f"{path}, row {number}: {name} has no text (or caption)")
        if not (folder / name).is_file():
            raise InputError(f"{path}, row {number}: {folder / name} does not exist")
        concept = str(row.get("concept") or caption)
        opener = partial(Image.open, folder / name)
        result.append(Record(concept, caption, str(folder / name), opener))
    return result
