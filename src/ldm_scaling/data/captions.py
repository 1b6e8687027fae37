"""The captions of a split, as rule prepare_data writes them."""

from __future__ import annotations

import csv
from pathlib import Path

from ..jobs.cli import InputError


def read_column(path: Path, column: str) -> list[str]:
    """A column (caption, concept, name) of a split, in its order.

    Raises InputError if the file is unusable.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row[column] for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise InputError(f"{path} is missing; rule prepare_data writes it") from None
    except KeyError:
        reason = f"has no column {column}"
    except (OSError, ValueError, csv.Error) as error:
        reason = f"cannot be read ({error})"
    raise InputError(f"{path} {reason}; delete it and run again")
