"""Sample images of cells, small enough for a page."""

from __future__ import annotations

import io
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..jobs.arrays import map_array, read_header
from ..jobs.tables import cell_of

_SIDE = 96
"""pixels of a larger image"""
_MOST = 8
"""images of a cell"""
_QUALITY = 90
_BYTES = 8_000_000
"""of all images; where there would be more, fewer prompts are shown"""


class Sampled(NamedTuple):
    """Images of the cells of one model and sampler."""

    stage: str
    size: str
    sampler: str
    schedule: str
    file: str

    @property
    def settings(self) -> dict[str, str]:
        """What its cells have in common."""
        return dict(zip(self._fields, self[:-1], strict=False))


def thumbnails(
    cells: Sequence[Mapping[str, Any]], files: Sequence[Sampled], captions: Sequence[str]
) -> dict[str, Any]:
    """Images of the first prompts as data: addresses, by the number of the cell, and the captions.

    `cells` have `cell` and their `settings`. A cell whose images are not kept, or not told from
    those of another one, has none.
    """
    found = {cell["cell"]: _place(cell["settings"], files) for cell in cells}
    shared = Counter(found.values())
    arrays = {
        number: map_array(*place) for number, place in found.items() if place and shared[place] == 1
    }
    count = min([_MOST, len(captions), *(len(array) for array in arrays.values() if len(array))])
    shown: dict[int, list[str]] = {number: [] for number, array in arrays.items() if len(array)}
    total = 0
    for prompt in range(count):
        row = {number: _address(arrays[number][prompt]) for number in shown}
        total += sum(map(len, row.values()))
        if prompt and total > _BYTES:
            break
        for number, address in row.items():
            shown[number].append(address)
    prompts = max(map(len, shown.values()), default=0)
    return {"captions": list(captions[:prompts]), "cells": shown}


def _place(settings: Mapping[str, Any], files: Sequence[Sampled]) -> tuple[Path, str] | None:
    """The file and the array with a cell's images."""
    for own in files:
        path, name = Path(own.file), cell_of(settings)
        if own.settings.items() <= settings.items() and name in read_header(path):
            return path, name
    return None


def _address(image: np.ndarray) -> str:
    """An image uint8 [3, S, S] as a data: address."""
    shown = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    shown.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    shown.save(file, "WEBP", quality=_QUALITY, method=6)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"
