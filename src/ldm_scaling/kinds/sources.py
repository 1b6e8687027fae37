"""Sources of captioned images, or of prompts, a line each; data/sources/NAME.py reads NAME."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What a study and its jobs need to know of a source."""

    name: str
    """in `data.source`"""
    files: tuple[str, ...] = ()
    """patterns of the files that stand for its folder, `data.path`; none: it has no folder"""
    is_packed: bool = True
    """whether the training images are packed into one file, and not read from where they lie"""
    has_splits: bool = False
    """whether it has a training and a validation part of its own"""
    evaluates: bool = False
    """whether `data.evaluation` may name it"""
    has_images: bool = True
    """whether it has images; else its path is a file, and its prompts are for adopted models"""


SOURCES = {
    own.name: own
    for own in (
        Source("emoji"),
        Source("imagefolder", ("metadata.*",), evaluates=True),
        Source(
            "coco", ("*.zip", "annotations/captions_*2014.json"), has_splits=True, evaluates=True
        ),
        Source("webdataset", ("**/*.tar",), is_packed=False),
        Source("prompts", evaluates=True, has_images=False),
    )
}
EVALUATING = sorted(own.name for own in SOURCES.values() if own.evaluates)
