"""What metrics of features compare a cell with, and with what its images are resampled."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..jobs.cli import InputError
from ..kinds.metrics import of_features
from .metrics.bootstrap import Interval, normalized
from .metrics.divisions import Divisions
from .metrics.frechet import principal_components, project, square_root, statistics

Prepared = TypeVar("Prepared")


class OnComponents(NamedTuple):
    """The reference's Gaussian on its leading principal components."""

    origin: np.ndarray
    """[D]"""
    basis: np.ndarray
    """[D, components]"""
    mu: np.ndarray
    sigma: np.ndarray

    def project(self, features: np.ndarray) -> np.ndarray:
        """Features [n, D] on the components."""
        return project(features, self.origin, self.basis)


class OnAll(NamedTuple):
    """The reference's Gaussian on all dimensions."""

    mu: np.ndarray
    """[D]"""
    root: np.ndarray
    """[D, D], of the covariance"""


@dataclass(frozen=True)
class Reference:
    """What every cell is compared with, prepared once."""

    features: np.ndarray
    """[M, D]"""
    gaussian: OnComponents | OnAll
    concepts: Sequence[str] | None = None
    """[M]"""
    counts: np.ndarray | None = None
    """[R, M], those of `resample_counts`; None where nothing has an interval"""
    _prepared: dict[Callable, Any] = field(default_factory=dict)

    def once(self, prepare: Callable[[Reference], Prepared]) -> Prepared:
        """What a metric prepares of the reference, the same for all cells."""
        if prepare not in self._prepared:
            self._prepared[prepare] = prepare(self)
        return self._prepared[prepare]


@dataclass(frozen=True)
class Prompts:
    """The concepts of a cell's n images, and how intervals resample them."""

    concepts: Sequence[str]
    counts: np.ndarray
    """[R, n], those of `resample_counts`"""
    divisions: Divisions
    """into the smaller samples that FD-infinity is extrapolated from"""

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights of the images in each resample, [R, n]."""
        return normalized(self.counts)


def prepare(
    features: np.ndarray, components: int | None, prompts: Prompts | None = None
) -> Reference:
    """The reference of features [M, D], resampled with the concepts [M] of prompts.

    Raises InputError if they have fewer principal components, or another number of concepts.
    """
    concepts, counts = (prompts.concepts, prompts.counts) if prompts else (None, None)
    if prompts and len(prompts.concepts) != len(features):
        raise InputError(
            f"the reference has {len(features)} images, its captions {len(prompts.concepts)} rows;"
            " delete both and run again"
        )
    if components is None:
        mu, sigma = statistics(features)
        return Reference(features, OnAll(mu, square_root(sigma)), concepts, counts)
    axes = principal_components(features, components)
    own = OnComponents(*axes, *statistics(project(features, *axes)))
    return Reference(features, own, concepts, counts)


def compare(
    features: np.ndarray,
    reference: Reference,
    extractor: str,
    prompts: Prompts,
    confidence: float,
) -> dict[str, Interval | None]:
    """Every metric of an extractor's features [n, D], by its name in tables.

    None where n is too small for it.
    """
    return {
        column: _module(name).interval(features, reference, prompts, confidence)
        for name, column in of_features(extractor).items()
    }


def value_of(name: str) -> Callable[[np.ndarray, Reference], float]:
    """The value of a metric that may choose the guidance, without its interval."""
    return _module(name).value


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.metrics.{name}")
