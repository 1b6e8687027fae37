"""Source `imagefolder`: a folder of images with metadata.csv or metadata.jsonl.

The convention is Hugging Face's: a column `file_name`, relative to the folder, and a column `text`
(or `caption`). An optional column `concept` keeps images together in one split; without it every
caption is a concept of its own.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from PIL import Image

from ...jobs.cli import InputError
from ...study.data import Data, Evaluation
from ..captions import not_utf8, read_csv
from .records import Record, plain_text

NAMES = ("file_name",)
CAPTIONS = ("text", "caption")


def _rows(source: Data | Evaluation) -> tuple[Path, list[dict]]:
    """The metadata file and its rows. Raises InputError that names what is wrong."""
    folder = source.folder
    if not folder.is_dir():
        raise InputError(f"{source.KEY}: {folder} is not a folder; name the folder of the images")
    found = [path for kind in ("csv", "jsonl") if (path := folder / f"metadata.{kind}").exists()]
    if not found:
        raise InputError(
            f"{source.KEY}: {folder} has neither metadata.csv nor metadata.jsonl; docs/guide.md"
            " shows what to write"
        )
    if len(found) > 1:
        raise InputError(
            f"{source.KEY}: {folder} has both metadata.csv and metadata.jsonl; remove the one that"
            " is out of date"
        )
    (path,) = found
    try:
        columns, rows = read_csv(path) if path.suffix == ".csv" else _json_rows(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    for accepted in (NAMES, CAPTIONS):
        if rows and not set(accepted) & set(columns):
            raise InputError(
                f"{path} has no column {' or '.join(accepted)}; it has"
                f" {', '.join(dict.fromkeys(columns))}. Rename one, or add it"
            )
    return path, rows


def _json_rows(path: Path) -> tuple[list[str], list[dict]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    rows = []
    lines = text.split("\n")  # not splitlines(): a caption may hold other line separators
    for line in filter(str.strip, lines):
        row, reason = None, ""
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            reason = f" ({error.msg}, column {error.colno})"
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, row {len(rows) + 1}: not a JSON object{reason}; write one in each line"
            )
        rows.append(row)
    return [column for row in rows for column in row], rows


def _text(row: dict, columns: tuple[str, ...], place: str) -> str:
    """The first of these columns that is not empty."""
    texts = (plain_text(row.get(column), f"{place}: {column}") for column in columns)
    return next(filter(None, texts), "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be read
        return False


def records(source: Data | Evaluation, archive_path: Path | None = None) -> list[Record]:
    """Records in the order of the metadata.

    Raises InputError naming file and row for a missing file, column or caption.
    """
    folder = source.folder
    path, rows = _rows(source)
    result = []
    for number, row in enumerate(rows, start=1):
        place = f"{path}, row {number}"
        name, caption = row.get("file_name"), _text(row, CAPTIONS, place)
        if not name:
            raise InputError(f"{place}: no file_name; give it one, or remove the row")
        if not isinstance(name, str):
            raise InputError(f"{place}: file_name {json.dumps(name)} is not text; put it in quotes")
        if not caption:
            raise InputError(
                f"{place}: {name} has no text (or caption); give it one, or remove the row"
            )
        if not _is_file(folder / name):
            raise InputError(
                f"{place}: {folder / name} does not exist; mend file_name, or remove the row"
            )
        concept = _text(row, ("concept",), place) or caption
        opener = partial(Image.open, folder / name)
        result.append(Record(concept, caption, str(folder / name), opener))
    return result
