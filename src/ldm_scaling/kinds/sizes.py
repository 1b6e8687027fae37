"""Sizes of a family, by their names, as their architectures have them."""

from __future__ import annotations

import re

from .architectures import ARCHITECTURES

SIZE = f"(?:{'|'.join(own.size for own in ARCHITECTURES.values())})"
"""what a size is called, as a wildcard of paths"""
SIZE_PATTERN = "|".join(f"^{own.size}$" for own in ARCHITECTURES.values())
SEPARATOR = "-"
"""between the sizes of a trajectory, and between their steps: c20-c48 with 2-6"""


def numbers(size: str) -> list[int]:
    """The numbers in a size's name, the width in channels last: 4 and 64 of "d4w64"."""
    return [int(number) for number in re.findall(r"\d+", size)]


def channels(size: str) -> int:
    """Width of a size, which orders sizes: 64 of "c64"."""
    return numbers(size)[-1]


def is_size(name: str) -> bool:
    """Whether a name is that of a size; an adopted model may have any other."""
    return re.fullmatch(SIZE, name) is not None
