"""What it costs that networks see an image: FLOPs (2 a multiply-add), counted without weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from ..cells.features import extractor_module
from ..cells.scores import scorer_module
from ..models.architectures.counting import count_flops
from ..study.metrics import FeatureNetwork, Scorer
from ..workflow.specs.seen import SeenBy


class Features(NamedTuple):
    """What an extractor costs."""

    flops: float
    """of an image"""
    width: int
    """of its features"""


class Scores(NamedTuple):
    """What a scorer costs; nan is unknown."""

    image: float
    """FLOPs of an image"""
    caption: float


@dataclass(frozen=True)
class Seeing:
    """What a study's extractors and scorers cost, by their names."""

    extractors: dict[str, Features]
    scorers: dict[str, Scores] = field(default_factory=dict)

    def width(self, spec: SeenBy) -> int:
        """Numbers that are kept of an image."""
        return sum(self.extractors[own.name].width for own in spec.extractors)

    def flops(self, spec: SeenBy, images: float, captions: float = 0) -> dict[str, float]:
        """FLOPs of seeing images, by what they are spent on; scorers embed each caption once."""
        features = sum(self.extractors[own.name].flops for own in spec.extractors)
        own = [self.scorers[scorer.name] for scorer in spec.scorers]
        scores = sum(images * scorer.image + captions * scorer.caption for scorer in own)
        return {"features": images * features} | ({"scores": scores} if own else {})


def count_seeing(spec: SeenBy, over: Callable[..., Iterable[Any]] = map) -> Seeing:
    """The costs of a spec's networks, counted one after the other or as `over` maps them."""
    names = [own.name for own in spec.extractors]
    features = over(_features, spec.extractors)
    scores = over(_scores, spec.scorers)
    scorers = [own.name for own in spec.scorers]
    return Seeing(dict(zip(names, features, strict=True)), dict(zip(scorers, scores, strict=True)))


def _features(own: FeatureNetwork) -> Features:
    network, side = extractor_module(own.name).untrained(own), own.input_size
    pixels = torch.empty(1, 3, side, side, device="meta")
    return Features(count_flops(lambda: network(pixels)), network(pixels).shape[-1])


def _scores(own: Scorer) -> Scores:
    calls = scorer_module(own.name).untrained(own)
    return Scores(*(map(count_flops, calls) if calls else (math.nan, math.nan)))
