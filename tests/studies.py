"""Configurations of studies with one key changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

MISSING = object()
EFFNET = {"name": "effnet_lite0", "input_size": 64, "components": 64}
CLIP = {"name": "clip_score", "pretrained": "folder"}
SQUEEZE = {"name": "squeezenet", "input_size": 64}


def _section(study: str, name: str) -> dict[str, Any]:
    """A section of one of the project's studies."""
    path = Path(__file__).parents[1] / f"studies/{study}.yaml"
    return yaml.safe_load(path.read_text())[name]


WHOLE: dict[str, Any] = {
    "search": {"method": "grid"},
    "data": {"skin_tones": {"share": 0.8}},
    "curriculum": {"clusters": 5, "share": 0.25},
    "distill": {"stochastic": {"noise": {"eta": 0.2, "substeps": 1}}},
    "bias": _section("pocket-bias", "bias"),
    "candidates": {"methods": ["best_of"], "counts": [1, 2]},
    "inversion": _section("pocket-candidates", "inversion"),
    "metrics": {"judge": {"extractor": {"name": "squeezenet", "input_size": 64}}},
}
"""what the pocket study lacks of a study with every figure and table"""
WHOLE_OPTIONS = ("--config", *(f"{name}={json.dumps(own)}" for name, own in WHOLE.items()))
"""the same as options of Snakemake"""


def whole(config: dict[str, Any]) -> dict[str, Any]:
    """The pocket's configuration with every figure and table."""
    return config | {name: (config.get(name) or {}) | own for name, own in WHOLE.items()}


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
