"""The specs of jobs that extract features of images and compare them."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import Field

from ...kinds.extractors import EXTRACTORS
from ...kinds.metrics import RECIPES
from ...study.fields import Positive, Seed, Strict, is_none
from ...study.latents import TextEncoder
from ...study.metrics import JUDGE, ClipLike, Compared
from ...study.study import Study
from ...study.superres import INCEPTION_SCORE, PSNR, SSIM
from .. import needed, stages
from .seen import SeenBy, seen_by, seen_by_first


class FeaturesSpec(SeenBy):
    """Features of real and of reconstructed images."""

    recipe: Literal[1] = 1

    @classmethod
    def of(cls, study: Study, split: str = "test") -> FeaturesSpec:
        """Spec of rules real_features and reconstruction_features. Only split test is scored."""
        own = seen_by(study.metrics)
        if split != "test":
            own["scorers"] = []
        return cls(**own)

    @classmethod
    def of_judge(cls, study: Study) -> FeaturesSpec:
        """Spec of rule judge_features: what the judge alone sees."""
        return cls(extractors=[needed.judge_extractor(study)])


class ClipLikeSpec(Strict):
    """Fit the CLIP-like score, and test it."""

    recipe: Literal[1] = 1
    seed: Seed
    text_encoder: TextEncoder
    clip_like: ClipLike
    styles: list[str]
    """folders of held-out images that are also tested by themselves"""
    bootstrap: Positive
    confidence: float

    @classmethod
    def of(cls, study: Study) -> ClipLikeSpec:
        """Spec of rules fit_clip_like and fit_judge. Raises StudyError without such a score."""
        metrics = study.metrics
        by_style = study.data.source == "emoji" and study.data.evaluation is None
        return cls(
            seed=study.seed,
            text_encoder=study.latents.text_encoder,
            clip_like=needed.clip_like(study),
            styles=list(study.data.styles) if by_style else [],
            bootstrap=metrics.bootstrap,
            confidence=metrics.confidence,
        )


class MeasureSpec(Strict):
    """Compare features with the reference's."""

    recipe: Literal[3] = 3
    seed: Seed
    n: Positive
    metrics: Compared
    fidelity: Annotated[list[str] | None, Field(exclude_if=is_none)] = None
    """of super-resolution: metrics of each image and its original; of candidates: the judge's"""
    recipes: Annotated[dict[str, int], Field(exclude_if=operator.not_)] = RECIPES
    """of metrics that have one in their registry"""

    @property
    def names(self) -> list[str]:
        """Every metric of a cell, by its name."""
        own, extractors = self.fidelity or [], self.metrics.extractors
        has_classes = PSNR in own and extractors and EXTRACTORS[extractors[0].name].is_fid
        score = [INCEPTION_SCORE] if has_classes else []
        return [*self.metrics.names.values(), *own, *score]

    @classmethod
    def of(cls, study: Study, stage: str = stages.PRETRAIN) -> MeasureSpec:
        """Spec of rules measure, floors and superres_baselines.

        It leaves out select_by, which chooses among measured cells, and input_size, which already
        decides the features. Super-resolution has no captions that images could fit.
        """
        n, fidelity = study.sampling.n, None
        metrics = Compared.of(study.metrics)
        if stages.is_superres(stage):
            superres = needed.superres(study)
            n, fidelity = superres.n, [PSNR, SSIM, superres.perceptual]
            alone = {"extractors": metrics.extractors[:1], "scorers": [], "clip_like": None}
            metrics = metrics.model_copy(update=alone)
        elif stage == stages.INVERSION:
            fidelity = [JUDGE]
        return cls(seed=study.seed, n=n, metrics=metrics, fidelity=fidelity)

    @classmethod
    def of_candidates(cls, study: Study) -> MeasureSpec:
        """Spec of rule measure_candidates: the judge's scores are there too."""
        needed.candidates(study)
        return cls.of(study).model_copy(update={"fidelity": [JUDGE]})


class BaselinesSpec(FeaturesSpec):
    """Measure what super-resolution is compared with."""

    measure: MeasureSpec
    perceptual: str

    @property
    def n(self) -> int:
        """Images."""
        return self.measure.n

    @classmethod
    def of(cls, study: Study) -> BaselinesSpec:
        """Spec of rule superres_baselines."""
        return cls(
            **seen_by_first(study.metrics),
            measure=MeasureSpec.of(study, stages.SUPERRES),
            perceptual=needed.superres(study).perceptual,
        )
