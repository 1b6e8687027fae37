"""Compute an array row by row, in a work folder, so that an interruption loses little."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from safetensors.numpy import load_file, save_file

from ..cli import Progress, Slice, SliceEnded, batches
from ..workdir import WorkDir

SAVE_SECONDS = 10


def rows_in_pieces(
    label: str,
    total: int,
    batch: int,
    compute: Callable[[slice], np.ndarray],
    work: WorkDir,
    time_slice: Slice,
) -> np.ndarray:
    """The rows 0 to total of `compute(rows)`, `batch` at a time, from the newest saved state.

    Raises SliceEnded if the slice is over; the rows so far are saved.
    """
    saved = work.load(load_file)
    parts = [] if saved is None else [saved["rows"]]
    start = sum(len(part) for part in parts)
    progress, save_at = Progress(label, total, start), time.monotonic()

    def save(done: int) -> None:
        work.save(done, lambda path: save_file({"rows": np.concatenate(parts)}, path))

    for rows in batches(total, batch, start):
        parts.append(compute(rows))
        progress.update(rows.stop)
        if time_slice.ended():
            save(rows.stop)
            raise SliceEnded(f"{label}: stopped at {rows.stop} of {total}; state is saved")
        if time.monotonic() > save_at:
            save(rows.stop)
            save_at = time.monotonic() + SAVE_SECONDS
    return np.concatenate(parts)
