"""What metrics of features compare a cell with, and with what its images are resampled."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..kinds.metrics import of_features
from ..study.metrics import Compared, Metrics
from .metrics.bootstrap import Interval
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
    _prepared: dict[Callable, Any] = field(default_factory=dict)

    def once(self, prepare: Callable[[Reference], Prepared]) -> Prepared:
        """What a metric prepares of the reference, the same for all cells."""
        if prepare not in self._prepared:
            self._prepared[prepare] = prepare(self)
        return self._prepared[prepare]


@dataclass(frozen=True)
class Prompts:
    """The concepts of a cell's n images, and how intervals resample them."""

    concepts: list[str]
    weights: np.ndarray
    """[R, n], those of `resample_weights`"""
    divisions: Divisions
    """into the smaller samples that FD-infinity is extrapolated from"""


def prepare(features: np.ndarray, components: int | None) -> Reference:
    """The reference of features [M, D].

    Raises InputError if they have not so many principal components.
    """
    if components is None:
        mu, sigma = statistics(features)
        return Reference(features, OnAll(mu, square_root(sigma)))
    axes = principal_components(features, components)
    return Reference(features, OnComponents(*axes, *statistics(project(features, *axes))))


def compare(
    features: np.ndarray, reference: Reference, metrics: Metrics | Compared, prompts: Prompts
) -> dict[str, Interval]:
    """Every metric of features [n, D], by its name in tables."""
    return {
        column: _module(name).interval(features, reference, prompts, metrics.confidence)
        for name, column in of_features(metrics.extractor).items()
    }


def value_of(name: str) -> Callable[[np.ndarray, Reference], float]:
    """The value of a metric that may choose the guidance, without its interval."""
    return _module(name).value


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.metrics.{name}")
