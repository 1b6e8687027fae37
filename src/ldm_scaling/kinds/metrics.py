"""Metrics, one line each; cells/metrics/NAME.py computes those of features by their name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .extractors import EXTRACTORS
from .scorers import SCORERS

FRECHET = "Fréchet distance"
ENDLESS = "n \N{RIGHTWARDS ARROW} \N{INFINITY}"


class Of(Enum):
    """What a metric is a number of, and so what a study needs to have it."""

    FEATURES = auto()
    """a cell's features and real images', by any extractor"""
    CAPTIONS = auto()
    """images and their captions, by a scorer that the study names or fits"""
    ORIGINALS = auto()
    """images and their originals, of super-resolution"""
    CLASSES = auto()
    """Inception-v3's classes of images"""
    SUBJECT = auto()
    """images and those of the subject that the model was taught"""
    TONES = auto()
    """how images of prompts that name no tone are judged"""
    SUBJECT_FEATURES = auto()
    """the same by any extractor"""


@dataclass(frozen=True)
class Metric:
    """What studies, tables and figures need to know of a metric."""

    name: str
    """in tables; of features followed by the extractor's name"""
    label: str
    """for readers, with its unit"""
    of: Of
    higher: bool = False
    """whether higher is better"""
    selects: bool = False
    """whether it may choose the guidance; of features, its module then has a `value` beside its
    `interval`"""
    extractor: str | None = None
    """of features, the only extractor that it is defined on; None: any"""
    recipe: int = 0
    """above 0 it stands in the spec of measured cells: raise it when the metric's code changes"""

    @property
    def compares(self) -> bool:
        """Whether it compares features of images with those of real ones."""
        return self.of is Of.FEATURES

    @property
    def sign(self) -> int:
        """1 if lower is better, -1 if higher is."""
        return -1 if self.higher else 1


METRICS = {
    own.name: own
    for own in (
        Metric("fd", FRECHET, Of.FEATURES, selects=True),
        Metric("fd_infinity", f"{FRECHET}, {ENDLESS}", Of.FEATURES),
        Metric("kid", "KID", Of.FEATURES, selects=True),
        Metric("precision", "Precision", Of.FEATURES, higher=True),
        Metric("recall", "Recall", Of.FEATURES, higher=True),
        Metric("density", "Density", Of.FEATURES, higher=True),
        Metric("coverage", "Coverage", Of.FEATURES, higher=True),
        Metric("cmmd", "CMMD", Of.FEATURES, selects=True, extractor="clip"),
        *(
            Metric(own.name, own.label, Of.CAPTIONS, higher=True, selects=True)
            for own in SCORERS.values()
        ),
        Metric(
            "clip_like", "CLIP-like score (fitted to the training split)", Of.CAPTIONS, higher=True
        ),
        Metric("judge", "Judge's score (chose no image)", Of.CAPTIONS, higher=True),
        Metric("psnr", "PSNR (dB)", Of.ORIGINALS, higher=True),
        Metric("ssim", "SSIM", Of.ORIGINALS, higher=True),
        Metric(
            "lpips_like_squeezenet", "LPIPS-like distance (SqueezeNet, unweighted)", Of.ORIGINALS
        ),
        Metric("lpips_alex", "LPIPS (alex)", Of.ORIGINALS),
        Metric("lpips_vgg", "LPIPS (vgg)", Of.ORIGINALS),
        Metric("lpips_squeeze", "LPIPS (squeeze)", Of.ORIGINALS),
        Metric("inception_score", "Inception score", Of.CLASSES, higher=True),
        Metric("fairness_discrepancy", "Fairness discrepancy of tones", Of.TONES),
        Metric("light_share", "Share of light tones among light and dark ones", Of.TONES),
        Metric("other_share", "Share of images with neither a light nor a dark tone", Of.TONES),
        Metric("dino", "DINO similarity to the subject", Of.SUBJECT, higher=True),
        Metric("clip_i", "CLIP similarity to the subject", Of.SUBJECT, higher=True),
        Metric("similarity", "Similarity to the subject", Of.SUBJECT_FEATURES, higher=True),
        Metric("drift", "Drift of the class", Of.SUBJECT_FEATURES),
    )
}


def column(name: str, extractor: str) -> str:
    """What tables call a metric of an extractor's features."""
    if METRICS[name].extractor:
        return name
    if EXTRACTORS[extractor].is_fid and FRECHET in METRICS[name].label:
        return name.replace("fd", "fid")
    return f"{name}_{extractor}"


def of_features(extractor: str) -> dict[str, str]:
    """What tables call the metrics that compare an extractor's features with real images'."""
    known = [own for own in METRICS.values() if own.of == Of.FEATURES]
    return {
        own.name: column(own.name, extractor) for own in known if own.extractor in (None, extractor)
    }


def distances(extractor: str) -> list[str]:
    """What tables call the metrics of an extractor's features for which lower is better."""
    return [name for name in of_features(extractor).values() if name not in HIGHER_IS_BETTER]


def _labels(metric: Metric) -> dict[str, str]:
    """Its name in tables, or its names with all extractors, and how readers know it."""
    if metric.extractor or metric.of not in (Of.FEATURES, Of.SUBJECT_FEATURES):
        return {metric.name: metric.label}
    return {
        column(metric.name, extractor.name): metric.label.replace(FRECHET, "FID")
        if extractor.is_fid and FRECHET in metric.label
        else f"{metric.label} ({extractor.label})"
        for extractor in EXTRACTORS.values()
    }


LABELS = {name: label for metric in METRICS.values() for name, label in _labels(metric).items()}
"""how readers know each metric of tables"""
HIGHER_IS_BETTER = {name for own in METRICS.values() if own.higher for name in _labels(own)}
"""metrics of tables whose maximum is the best"""
SELECTING = [metric.name for metric in METRICS.values() if metric.selects]
RECIPES = {metric.name: metric.recipe for metric in METRICS.values() if metric.recipe}


def sign(metric: str) -> int:
    """1 if lower is better of a metric of tables, -1 if higher is.

    Multiplied by it, the lowest value is always the best.
    """
    return -1 if metric in HIGHER_IS_BETTER else 1
