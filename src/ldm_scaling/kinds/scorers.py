"""Scorers of images against captions, one line each; cells/scorers/NAME.py loads what NAME is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scorer:
    """What a study and its figures need to know of a scorer."""

    name: str
    """in studies and in tables"""
    label: str
    """for readers"""
    files: tuple[str, ...]
    """files of its folder that decide the scores"""
    others: tuple[str, ...] = ()
    """patterns of further files that a download has"""


_TRANSFORMERS = ("config.json", "model.safetensors")

SCORERS = {
    own.name: own
    for own in (
        Scorer(
            "clip_score",
            "CLIP score",
            ("open_clip_config.json", "open_clip_model.safetensors"),
            ("*.json", "*.txt"),  # tokenizers; other weights beside them are the same numbers
        ),
        Scorer("pickscore", "PickScore", _TRANSFORMERS),
        Scorer("hps", "HPS v2.1", _TRANSFORMERS),
    )
}
