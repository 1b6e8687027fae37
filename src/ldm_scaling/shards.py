"""Arrays on disk: safetensors files, read through a memory map; the header has a fingerprint."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from .cli import InputError
from .workdir import atomic_path

_DTYPES = {"U8": "u1", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}


def write_arrays(
    target: Path, arrays: Mapping[str, np.ndarray], fingerprint: str, **notes: str
) -> None:
    """Write named arrays atomically; `notes` join the fingerprint in the file's header."""
    with atomic_path(target) as path:
        save_file(
            {name: np.asarray(array, order="C") for name, array in arrays.items()},
            path,
            metadata={"fingerprint": fingerprint, **notes},
        )


def read_header(path: Path) -> dict:
    """The header of a safetensors file: tensors, and notes under `__metadata__`.

    Raises InputError if the file is missing or truncated.
    """
    try:
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length))
            size = (
                8
                + length
                + max(
                    (v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"),
                    default=0,
                )
            )
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (
        struct.error,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
    ):  # whatever bytes that are no header lead to
        raise InputError(f"{path} is no safetensors file; delete it and run again") from None
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
