"""Sizes of a family, by their names."""

from __future__ import annotations

SIZE = r"c[1-9]\d*"
"""of names in paths"""
SIZE_PATTERN = f"^{SIZE}$"


def channels(size: str) -> int:
    """Base channel count of a size name: 64 of "c64"."""
    return int(size[1:])
