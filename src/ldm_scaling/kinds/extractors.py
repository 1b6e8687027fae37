"""Extractors of features, one line each; cells/extractors/NAME.py loads what NAME is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extractor:
    """What a study and its figures need to know of an extractor."""

    name: str
    """in studies, and at the end of metrics' names"""
    label: str
    """for readers"""
    input_size: int | None = None
    """pixels a side that it sees; None: the study chooses"""
    weights: str | None = None
    """its file below resources/; None: a package or a folder has the weights"""
    files: tuple[str, ...] = ()
    """files of the folder that the study names; none: it takes no folder"""
    is_fid: bool = False
    """whether Frechet distances of its features are FID, which takes all of their dimensions"""


_TRANSFORMERS = ("config.json", "model.safetensors")

EXTRACTORS = {
    own.name: own
    for own in (
        Extractor("effnet_lite0", "EfficientNet-Lite0"),
        Extractor("inception_v3", "Inception-v3", 299, "inception-2015-12-05.pt", is_fid=True),
        Extractor("dinov2", "DINOv2", 224, files=_TRANSFORMERS),
        Extractor("clip", "CLIP", files=_TRANSFORMERS),
        Extractor("squeezenet", "SqueezeNet 1.1", weights="squeezenet1_1.safetensors"),
    )
}
