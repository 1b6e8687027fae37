"""Names of cells within a (model, sampler), or within sizes that are stitched."""

from __future__ import annotations


def cell_name(
    steps: int, guidance: float, trained: float | None = None, allocation: str | None = None
) -> str:
    """The name of a cell, such as steps8_guidance3; `trained` is of a kept checkpoint."""
    kept = "" if trained in (None, 1) else f"_trained{trained:g}"
    stitched = f"_stitched{allocation}" if allocation else ""
    return f"steps{steps}_guidance{guidance:g}{kept}{stitched}"
