"""How an image's tone is judged, by the colours of its pixels alone, and how often that is wrong.

The judge knows neither the model nor its bottleneck: extremely randomized trees (Geurts et al.
2006) on a histogram of colours, fitted to drawings of training concepts after the autoencoder. It
tells light tones, dark ones, and what shows neither: yellow drawings and those of tone 3. Drawings
of other concepts say how often it errs; shares of tones are corrected for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from ..data.captions import read_column
from ..data.sources.tones import CLASSES
from ..jobs.arrays import map_array
from ..jobs.cli import InputError
from .metrics.bootstrap import resample_counts

LEVELS = 6
"""of each colour channel; a histogram has their cube"""
HISTOGRAM = "histogram"
"""name of the histograms among the numbers of a cell"""
_SINGULAR = 1e-9
"""determinant of rates below which rounding alone would decide shares"""
COUNT = len(CLASSES)
"""of the classes that the judge tells, in the order of `CLASSES`"""


def histograms(images: np.ndarray) -> np.ndarray:
    """Shares of an image's pixels in each cube of colours: [B, LEVELS^3] of uint8 [B, 3, S, S].

    float16, which holds shares of up to 2,048 pixels exactly.
    """
    levels = images.reshape(len(images), 3, -1).astype(np.int64) * LEVELS // 256
    colours = (levels[:, 0] * LEVELS + levels[:, 1]) * LEVELS + levels[:, 2]
    count, pixels = LEVELS**3, colours.shape[1]
    places = colours + count * np.arange(len(images))[:, None]
    found = np.bincount(places.ravel(), minlength=count * len(images))
    return (found.reshape(len(images), count) / pixels).astype(np.float16)


@dataclass(frozen=True)
class Judge:
    """What tells light tones, dark ones, and neither."""

    histograms: np.ndarray
    """[N, LEVELS^3], of real drawings"""
    classes: np.ndarray
    """[N], their places in `CLASSES`"""
    concepts: Sequence[str]
    """[N]"""
    known: np.ndarray
    """bool [N], whether a drawing is of a training concept: it is fitted to these"""
    trees: int
    seed: int

    @cached_property
    def _fitted(self) -> ExtraTreesClassifier:
        trees = ExtraTreesClassifier(self.trees, random_state=self.seed)
        return trees.fit(self.histograms[self.known].astype(np.float32), self.classes[self.known])

    def __call__(self, found: np.ndarray) -> np.ndarray:
        """The class that each of the images with these histograms is judged to be of: [n]."""
        return self._fitted.predict(found.astype(np.float32))

    @cached_property
    def errors(self) -> tuple[list[str], np.ndarray]:
        """The concepts that it was not fitted to, and its confusion in each: [concepts, K, K].

        Counts of drawings, by what they are and by what they are judged, in the order of CLASSES.
        """
        own = ~self.known
        judged, true = self(self.histograms[own]), self.classes[own]
        names, places = np.unique(np.asarray(self.concepts)[own], return_inverse=True)
        counts = np.zeros((len(names), COUNT, COUNT))
        np.add.at(counts, (places, true, judged), 1)
        return list(names), counts

    def confusions(self, resamples: int, seed: int) -> np.ndarray:
        """The confusion as counts, then in each resample of its concepts: [1 + R, K, K]."""
        names, counts = self.errors
        drawn = resample_counts(names, resamples, seed + 1)  # independent of the prompts' concepts
        drawn = np.concatenate([np.ones((1, len(names))), drawn])
        return np.tensordot(drawn, counts, axes=1)


def read_judge(path: Path, drawings: Path, seed: int) -> Judge:
    """The judge of a file, and the tones.csv that it was made of.

    Raises InputError if they have different rows, or lack drawings of a class.
    """
    concepts, splits = (read_column(drawings, name) for name in ("concept", "split"))
    found, classes, trees = (
        np.array(map_array(path, name)) for name in (HISTOGRAM, "classes", "trees")
    )
    known = np.array([split == "train" for split in splits])
    if len(known) != len(found):
        raise InputError(f"{path} is not of {drawings}; delete it and run again")
    for own, where in ((known, "training"), (~known, "held-out")):
        if len(np.unique(classes[own])) < COUNT:
            raise InputError(f"{drawings}: {where} concepts have no drawing of some class")
    return Judge(found, classes.astype(int), concepts, known, int(trees[0]), seed)


def corrected(judged: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Shares of classes [..., K], from the shares that the judge saw, `judged` [..., K].

    The confusion [..., K, K] counts what a class was judged, row by row. Solves
    judged = shares @ rates, and clips the shares to what shares can be (Buonaccorsi 2010, chapter
    2). nan where the judge cannot tell the classes apart, or one has no drawing.
    """
    with np.errstate(invalid="ignore"):
        rates = confusion / confusion.sum(axis=-1, keepdims=True)
        told = (np.abs(np.linalg.det(rates)) > _SINGULAR)[..., None]
    solvable = np.where(told[..., None], rates, np.eye(rates.shape[-1]))
    solved = np.linalg.solve(np.swapaxes(solvable, -1, -2), judged[..., None])[..., 0]
    clipped = solved.clip(min=0)
    return np.where(told, clipped / clipped.sum(axis=-1, keepdims=True), np.nan)


def fairness_discrepancy(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The Euclidean distance of shares [..., K] from the reference [K] (Choi et al. 2020)."""
    return np.linalg.norm(shares - reference, axis=-1)
