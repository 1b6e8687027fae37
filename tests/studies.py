"""Configurations of studies with one key changed."""

from __future__ import annotations

from typing import Any

MISSING = object()


def put(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Set (or, with MISSING, remove) a dotted key; numbers are places in lists."""
    *sections, last = key.split(".")
    for section in sections:
        config = config[int(section) if section.isdigit() else section]
    if value is MISSING:
        del config[last]
    else:
        config[last] = value
    return config
