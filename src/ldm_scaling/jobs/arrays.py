"""Arrays on disk: safetensors files, read through a memory map; the header has a fingerprint."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors.numpy import save_file

from .cli import InputError
from .workdir import atomic_path

_DTYPES = {"U8": "u1", "F16": "<f2", "I32": "<i4", "F32": "<f4", "F64": "<f8", "I64": "<i8"}


def write_arrays(
    target: Path, arrays: Mapping[str, np.ndarray], fingerprint: str, **notes: str
) -> None:
    """Write named arrays atomically. The header gets the fingerprint and `notes`."""
    with atomic_path(target) as path:
        save_file(
            {name: np.asarray(array, order="C") for name, array in arrays.items()},
            path,
            metadata={"fingerprint": fingerprint, **notes},
        )


class RowWriter:
    """Writes rows of a file's arrays, in any order; made by `row_writer`."""

    def __init__(self, file: BinaryIO, start: int, entries: Mapping[str, dict]):
        self._file, self._start, self._entries = file, start, entries

    def write(self, name: str, row: int, rows: np.ndarray) -> None:
        """Write consecutive rows of an array from `row` on, in the array's own precision."""
        entry = self._entries[name]
        count, *shape = entry["shape"]
        if list(rows.shape[1:]) != shape or row + len(rows) > count:
            raise ValueError(f"{name}: rows {rows.shape} at {row} do not fit {entry['shape']}")
        data = np.ascontiguousarray(rows, dtype=_DTYPES[entry["dtype"]])
        begin = self._start + entry["data_offsets"][0]
        self._file.seek(begin + row * math.prod(shape) * data.itemsize)
        self._file.write(data.tobytes())


@contextlib.contextmanager
def row_writer(
    target: Path, arrays: Mapping[str, tuple[str, Sequence[int]]], fingerprint: str, **notes: str
) -> Iterator[RowWriter]:
    """A file of arrays {name: (dtype, shape)} that is written row by row and appears when complete.

    The file is equal to one by `write_arrays`. Rows that are not written are zero.
    """
    kinds = {np.dtype(numpy): kind for kind, numpy in _DTYPES.items()}
    types = {name: np.dtype(dtype) for name, (dtype, _) in arrays.items()}
    order = list(_DTYPES)
    # as safetensors sorts them: the widest type first, for alignment
    names = sorted(arrays, key=lambda name: (-order.index(kinds[types[name]]), name))
    entries, end = {}, 0
    for name in names:
        shape = list(arrays[name][1])
        begin, end = end, end + math.prod(shape) * types[name].itemsize
        entries[name] = {"dtype": kinds[types[name]], "shape": shape, "data_offsets": [begin, end]}
    header = {"__metadata__": {"fingerprint": fingerprint, **notes}, **entries}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(target) as path, path.open("r+b") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
        yield RowWriter(file, 8 + len(text), entries)


def read_header(path: Path) -> dict:
    """The header of a safetensors file: tensors, and notes under `__metadata__`.

    Raises InputError if the file is missing or truncated.
    """
    try:
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length))
            ends = (v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
            size = 8 + length + max(ends, default=0)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; run the rule that makes it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except Exception:  # whatever bytes that are no header lead to
        raise InputError(f"{path} is not a safetensors file; delete it and run again") from None
    if Path(path).stat().st_size < size:
        raise InputError(f"{path} is truncated; delete it and run again")
    return header


def fingerprint_of(path: Path) -> str:
    """The fingerprint in a file's header."""
    return read_header(path).get("__metadata__", {}).get("fingerprint", "")


def map_array(path: Path, name: str) -> np.ndarray:
    """One array of a file as a read-only memory map.

    Raises InputError if the file is unusable or has no such array.
    """
    header = read_header(path)
    if name not in header:
        known = ", ".join(key for key in header if key != "__metadata__")
        raise InputError(f"{path} has no array {name} (it has: {known})")
    entry = header[name]
    with open(path, "rb") as file:
        start = 8 + struct.unpack("<Q", file.read(8))[0]
    return np.memmap(
        path,
        mode="r",
        dtype=_DTYPES[entry["dtype"]],
        offset=start + entry["data_offsets"][0],
        shape=tuple(entry["shape"]),
    )


class ConcatenatedRows:
    """Several arrays with rows of one shape, read as one array by row numbers."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        if len({array.shape[1:] for array in arrays}) != 1:
            raise ValueError("no arrays, or rows of different shapes")
        self._arrays = arrays
        self._ends = np.cumsum([len(array) for array in arrays])
        self.shape = (int(self._ends[-1]), *arrays[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """A copy of the rows with these numbers, in this order. Numbers are not negative."""
        indices = np.asarray(indices)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"rows {indices.min()} to {indices.max()} of {len(self)}")
        result = np.empty((len(indices), *self.shape[1:]), dtype=self._arrays[0].dtype)
        which = np.searchsorted(self._ends, indices, side="right")
        for number in np.unique(which):
            rows = which == number
            array = self._arrays[number]
            result[rows] = array[indices[rows] - (self._ends[number] - len(array))]
        return result
