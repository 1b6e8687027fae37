"""Retrieval: whether an image's own caption is the nearest of many, among unseen concepts.

It says how far a score that is fitted here can be trusted: guessing finds 1 of 400.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..jobs.cli import InputError
from .metrics.bootstrap import mean_interval, normalized, resample_counts

CANDIDATES = 400
"""concepts, at most, among whose captions an image's own is looked for"""
RANKS = (1, 10)
COLUMNS = (
    "kind",
    "candidates",
    *(f"recall_at_{rank}{end}" for rank in RANKS for end in ("", "_lo", "_hi")),
    "matched",
    "shuffled",
)
_TIE = 1e-6
"""of cosines: a caption that equals the own one does not come before it"""


@dataclass(frozen=True)
class HeldOut:
    """Held-out images and captions, where a scorer puts them."""

    images: np.ndarray
    """unit vectors [N, W]"""
    captions: np.ndarray
    """unit vectors [N, W]"""
    concepts: list[str]
    names: list[str]
    """of the files; the style of an emoji is its folder"""


def choose_rows(
    concepts: Sequence[str], names: Sequence[str], styles: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """By style, one row of each of the same concepts, at most CANDIDATES; both are drawn.

    Without styles, all rows are of one style, "". Concepts that lack a style are left out.
    Raises InputError if that leaves none.
    """
    wanted = list(styles) or [""]
    rows: dict[str, dict[str, int]] = {}
    order: list[int] = np.random.default_rng((seed, len(names))).permutation(len(names)).tolist()
    for row in order:
        style = names[row].partition("/")[0] if styles else ""
        rows.setdefault(concepts[row], {})[style] = row
    whole = [own for own in rows.values() if all(style in own for style in wanted)][:CANDIDATES]
    if not whole:
        raise InputError(f"no held-out concept has images of all styles ({', '.join(wanted)})")
    return {style: np.array([own[style] for own in whole]) for style in wanted}


def look(images: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Look for each image's own caption among all, both unit vectors [n, W] in one order.

    [len(RANKS) + 2, n]: whether it is among the nearest 1 and 10, its cosine, and the mean cosine
    with the other captions.
    """
    cosines = images @ captions.T
    own = np.diag(cosines)
    nearer = (cosines > own[:, None] + _TIE).sum(axis=1)
    others = (cosines.sum(axis=1) - own) / max(len(own) - 1, 1)
    return np.stack([*(nearer < rank for rank in RANKS), own, others])


def retrieval_table(
    held_out: HeldOut, styles: Sequence[str], resamples: int, confidence: float, seed: int
) -> list[list[str | float]]:
    """Rows of the table, see COLUMNS: all images, then those of each style.

    An image is looked for among captions of its own style. Intervals resample concepts.
    """
    chosen = choose_rows(held_out.concepts, held_out.names, styles, seed)
    found = {
        style: look(held_out.images[rows], held_out.captions[rows])
        for style, rows in chosen.items()
    }
    kinds = {"held-out": list(chosen)} | {style: [style] for style in styles}
    table = []
    for kind, parts in kinds.items():
        concepts = [held_out.concepts[row] for style in parts for row in chosen[style]]
        weights = normalized(resample_counts(concepts, resamples, seed))
        *hits, matched, shuffled = np.concatenate([found[style] for style in parts], axis=1)
        recalls = [end for hit in hits for end in mean_interval(hit, weights, confidence)[:3]]
        candidates = len(chosen[parts[0]])
        table.append([kind, candidates, *recalls, float(matched.mean()), float(shuffled.mean())])
    return table
