"""Sizes of a family, by their names."""

from __future__ import annotations

SIZE_PATTERN = r"^c[1-9]\d*$"


def channels(size: str) -> int:
    """Base channel count of a size name: 64 of "c64"."""
    return int(size[1:])
