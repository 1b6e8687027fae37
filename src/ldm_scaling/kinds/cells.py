"""Cells: their names within a (model, sampler), or within stitched sizes, and how they fail."""

from __future__ import annotations

DIVERGED, OUT_OF_MEMORY, LEVELS_UNSEEN = "diverged", "out_of_memory", "levels_unseen"
"""statuses of images that are not there"""


def cell_name(
    steps: int,
    guidance: float,
    trained: float | None = None,
    allocation: str | None = None,
    candidates: tuple[str, int] | None = None,
    noise: str | None = None,
) -> str:
    """The name of a cell, such as steps8_guidance3; `trained` is of a kept checkpoint.

    `candidates` are a method, and of how many images it keeps one.
    """
    kept = "" if trained in (None, 1) else f"_trained{trained:g}"
    stitched = f"_stitched{allocation}" if allocation else ""
    made = f"_noise-{noise}" if noise else ""
    chosen = "_{}{}".format(*candidates) if candidates else ""
    return f"steps{steps}_guidance{guidance:g}{kept}{stitched}{made}{chosen}"
