"""Compute arrays row by row, and save them in a work folder, so that an interruption loses little.

Rows are saved in numbered files. Each is written once, so that a save never becomes slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .arrays import map_array, read_header, row_writer, write_arrays
from .cli import InputError, Progress, Slice, SliceEnded, batches
from .workdir import WorkDir

SAVE_SECONDS = 10

Arrays = Mapping[str, np.ndarray]


class Pieces:
    """The files of a work folder with the rows of steps 0 to `done`."""

    def __init__(self, work: WorkDir):
        self._folder = work.path
        self._paths: list[Path] = []
        self.done = 0
        while (path := self._next()) is not None:
            self._paths.append(path)
            self.done = int(path.name.split("-")[2])
        for path in set(self._folder.glob("piece-*")) - set(self._paths):
            path.unlink()  # behind a torn one

    def _next(self) -> Path | None:
        for path in self._folder.glob(f"piece-{self.done:014d}-*"):
            try:
                read_header(path)
                return path
            except InputError as error:
                print(f"{error}; computing it again")
        return None

    def add(self, stop: int, arrays: Arrays) -> None:
        """Save the rows of the steps `done` to `stop`. A step may have any number of rows."""
        path = self._folder / f"piece-{self.done:014d}-{stop:014d}"
        write_arrays(path, arrays, "")
        self._paths.append(path)
        self.done = stop

    def names(self, prefix: str = "") -> list[str]:
        """The names of arrays that begin so."""
        header = read_header(self._paths[0]) if self._paths else {}
        return [name for name in header if name.startswith(prefix) and name != "__metadata__"]

    def rows(self, name: str) -> np.ndarray:
        """All rows of an array, in memory."""
        return np.concatenate([map_array(path, name) for path in self._paths])

    def finish(
        self, target: Path, fingerprint: str, whole: Arrays | None = None, **notes: str
    ) -> None:
        """Write all rows, and the complete arrays `whole`, to one file. Remove the pieces."""
        whole = whole or {}
        headers = [read_header(path) for path in self._paths]
        shapes = {name: (array.dtype.str, array.shape) for name, array in whole.items()}
        names = [name for name in headers[0] if name != "__metadata__"]
        for name in names:
            rows = sum(header[name]["shape"][0] for header in headers)
            first = map_array(self._paths[0], name)
            shapes[name] = (first.dtype.str, (rows, *first.shape[1:]))
        with row_writer(target, shapes, fingerprint, **notes) as writer:
            for name, array in whole.items():
                writer.write(name, 0, array)
            for name in names:
                row = 0
                for path in self._paths:
                    array = map_array(path, name)
                    writer.write(name, row, array)
                    row += len(array)
        for path in self._paths:
            path.unlink()


def in_pieces(
    label: str,
    total: int,
    batch: int,
    compute: Callable[[slice], Arrays],
    work: WorkDir,
    time_slice: Slice,
) -> Pieces:
    """Compute the rows of steps 0 to `total`, `batch` steps at a time, after those that are saved.

    Raises SliceEnded if the time slice is over. The rows so far are saved.
    """
    pieces = Pieces(work)
    progress, save_at = Progress(label, total, pieces.done), time.monotonic()
    parts: list[Arrays] = []
    for steps in batches(total, batch, pieces.done):
        parts.append(compute(steps))
        progress.update(steps.stop)
        ended = time_slice.ended()
        if ended or steps.stop == total or time.monotonic() > save_at:
            names = parts[0]
            pieces.add(steps.stop, {n: np.concatenate([part[n] for part in parts]) for n in names})
            parts, save_at = [], time.monotonic() + SAVE_SECONDS
        if ended:
            raise SliceEnded(f"{label}: stopped at {steps.stop} of {total}; state is saved")
    return pieces
