"""Where the initial noise of one-step students comes from, by name."""

from __future__ import annotations

NONE, GLOBAL, CAPTION, ASCENT = "none", "global", "caption", "ascent"
FITTED = {GLOBAL: "one distribution", CAPTION: "a distribution for each caption"}
"""distributions that are fitted, with their labels"""
NAME = rf"{NONE}|{GLOBAL}|{CAPTION}|{ASCENT}[1-9]\d*"
"""of a noise in cells and tables, as a regular expression: ascent has its iterations"""
LABELS = {NONE: "unit noise", **FITTED, ASCENT: "ascent for each image"}
"""of all, in the order of what they cost"""


def kind(name: str) -> str:
    """The kind of a noise by its name: ascent of ascent10."""
    return name.rstrip("0123456789")


def iterations(name: str) -> int:
    """Its gradient steps for each image; 0 except for ascent."""
    return int(name.removeprefix(ASCENT)) if kind(name) == ASCENT else 0
