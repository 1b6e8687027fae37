"""What images are seen by, in the specs of jobs that keep their features and scores."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ...study.fields import Strict, is_none
from ...study.latents import TextEncoder
from ...study.metrics import FeatureNetwork, Metrics, Scorer
from ...study.study import Study


class SeenBy(Strict):
    """The networks that images are seen by."""

    extractors: list[FeatureNetwork]
    """none where there are prompts alone"""
    scorers: list[Scorer] = Field(default_factory=list)
    """what scores images against their captions"""


class ScoreSpec(Strict):
    """The study's score of images against their captions: a scorer's, or the CLIP-like one."""

    scorer: Annotated[Scorer | None, Field(exclude_if=is_none)] = None
    extractor: Annotated[FeatureNetwork | None, Field(exclude_if=is_none)] = None
    text_encoder: Annotated[TextEncoder | None, Field(exclude_if=is_none)] = None

    @classmethod
    def of(cls, study: Study) -> ScoreSpec:
        """The one that `metrics.alignment` names."""
        if study.metrics.scorers:
            return cls(scorer=study.metrics.scorers[0])
        extractor = FeatureNetwork.part_of(study.metrics.extractors[0])
        return cls(extractor=extractor, text_encoder=study.latents.text_encoder)


def seen_by(metrics: Metrics) -> dict[str, Any]:
    """The keys of a study whose images are compared and scored."""
    extractors = [FeatureNetwork.part_of(own) for own in metrics.extractors]
    return {"extractors": extractors, "scorers": metrics.scorers}


def seen_by_first(metrics: Metrics) -> dict[str, Any]:
    """The keys of images that only the first extractor sees."""
    return {"extractors": [FeatureNetwork.part_of(own) for own in metrics.extractors[:1]]}
