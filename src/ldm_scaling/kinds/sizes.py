"""Sizes of a family, by their names, as their architectures have them."""

from __future__ import annotations

import re

from .architectures import ARCHITECTURES

SIZE = f"(?:{'|'.join(own.size for own in ARCHITECTURES.values())})"
"""what a size is called, as a wildcard of paths"""
SIZE_PATTERN = "|".join(f"^{own.size}$" for own in ARCHITECTURES.values())


def channels(size: str) -> int:
    """Width of a size, which orders sizes: 64 of "c64"."""
    return int(re.findall(r"\d+", size)[-1])
