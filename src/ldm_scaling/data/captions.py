"""Tables of captions: CSV files of users, and those that rule prepare_data writes."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..jobs.cli import InputError

csv.field_size_limit(sys.maxsize)  # a caption may be longer than csv's 131,072 characters


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a CSV file, and its rows by column; a short row lacks its last columns.

    Raises InputError, naming the line, for a file that is not UTF-8, a row with more values than
    there are columns, a quote without its end, or two columns of one name.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    while True:
        number = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}, line {number}: the quotes do not match ({error}); put the whole text in"
                " double quotes, and write each double quote inside it twice"
            ) from None
        if values is None:
            break
        if values:
            lines.append((number, values))
    columns = lines[0][1] if lines else []
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise InputError(f"{path} has two columns {twice[0]}; rename or remove one")
    rows = []
    for number, values in lines[1:]:
        if any(values[len(columns) :]):
            raise InputError(
                f"{path}, line {number}: {len(values)} values for {len(columns)} columns; put text"
                " that has commas in double quotes"
            )
        rows.append(dict(zip(columns, values, strict=False)))
    return columns, rows


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """The error of a text file in another encoding."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return InputError(f"{path}, line {line}: not UTF-8; save the file in that encoding")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV text that every reader takes apart in the same way."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        # csv puts no quotes around a carriage return, and readers take it for the end of a row
        writer.writerow([str(v).replace("\r\n", "\n").replace("\r", "\n") for v in row])
    # a file's name may have bytes that are no text
    return text.getvalue().encode(errors="backslashreplace").decode()


def read_column(path: Path, column: str) -> list[str]:
    """A column (caption, concept, name) of a split, in its order.

    Raises InputError if the file is unusable.
    """
    try:
        rows = read_csv(path)[1]
        return [row[column] for row in rows]
    except FileNotFoundError:
        raise InputError(f"{path} is missing; rule prepare_data writes it") from None
    except KeyError:
        reason = f"{path} has no column {column}"
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror})"
    except InputError as error:
        reason = str(error)
    raise InputError(f"{reason}; delete the file and run again, which writes it anew")
