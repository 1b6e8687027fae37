"""What images are seen by, in the specs of jobs that keep their features and scores."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ...study.fields import Strict
from ...study.metrics import FeatureNetwork, Metrics, Scorer


class SeenBy(Strict):
    """The networks that images are seen by."""

    extractors: list[FeatureNetwork]
    """none where there are prompts alone"""
    scorers: list[Scorer] = Field(default_factory=list)
    """what scores images against their captions"""


def seen_by(metrics: Metrics) -> dict[str, Any]:
    """The keys of a study whose images are compared and scored."""
    extractors = [FeatureNetwork.part_of(own) for own in metrics.extractors]
    return {"extractors": extractors, "scorers": metrics.scorers}


def seen_by_first(metrics: Metrics) -> dict[str, Any]:
    """The keys of images that only the first extractor sees."""
    return {"extractors": [FeatureNetwork.part_of(own) for own in metrics.extractors[:1]]}
