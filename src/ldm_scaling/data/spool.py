"""The pixels of many images on disk, while prepare decides on their splits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .sources.records import Record, load_pixels

ROWS = 64


class Spool:
    """Pixels of records in an unnamed file, which disappears when the process ends.

    The file is in `folder`, which needs room for all added images. Memory holds few of them. Images
    get `size` pixels a side, as `load_pixels` resizes them.
    """

    def __init__(self, folder: Path, size: int, clean: bool = False):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._shape, self._clean = (3, size, size), clean
        self._rows: dict[str, int] = {}
        self._seen: set[bytes] = set()
        self._content = hashlib.sha256()
        self.copies = 0
        """images that were not added"""

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: Record) -> bool:
        """Read and add an image. Returns False and adds nothing if its pixels are already there."""
        pixels = load_pixels(record, self._shape[1], self._clean).tobytes()
        digest = hashlib.sha256(pixels).digest()
        if digest in self._seen:
            self.copies += 1
            return False
        self._seen.add(digest)
        self._rows[record.name] = len(self._rows)
        self._content.update(pixels)
        self._file.write(pixels)
        return True

    def content(self) -> str:
        """A hash of all pixels in the order in which they were added."""
        return self._content.hexdigest()

    def batches(self, records: list[Record]) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first, uint8 [n, 3, S, S]) of consecutive records that were added."""
        self._file.flush()
        size = int(np.prod(self._shape))
        for begin in range(0, len(records), ROWS):
            rows = [self._rows[record.name] for record in records[begin : begin + ROWS]]
            pixels = b"".join(os.pread(self._file.fileno(), size, row * size) for row in rows)
            yield begin, np.frombuffer(pixels, np.uint8).reshape(-1, *self._shape)
