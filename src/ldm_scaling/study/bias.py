"""The section `bias` of a study: does a model show more of what training had more of?

Distribution guidance (Parihar et al. 2024, arXiv 2402.18206) is what removes it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .fields import Distinct, Guidance, OwnSeeds, Positive, Strict
from .sampling import FEWEST_IMAGES, TrainedSampler

Share = Annotated[float, Field(gt=0, lt=1)]


class Bias(Strict):
    """Shares of tones in images of captions that name none, at the steps and scales of a grid."""

    n: Annotated[int, Field(ge=FEWEST_IMAGES)]
    """images of a cell: test captions with tones in turn, each time from another noise"""
    prompts: Positive | None = None
    """how many of these captions; null: all"""
    reference: Share = 0.5
    """the wanted share of light tones"""
    steps: Annotated[list[Positive], Distinct, Field(min_length=1)]
    """denoising steps"""
    guidance: Annotated[list[Guidance], Distinct, Field(min_length=1)]
    """classifier-free guidance scales, without anything that removes the bias"""
    removed_at: Guidance
    """the one of them at which the bias is removed"""
    sampler: TrainedSampler | None = None
    """one of sampling.samplers; null: the first"""
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Distinct, Field(min_length=1)]
    """strengths of distribution guidance"""
    tau: Annotated[float, Field(gt=0)] = 8
    """temperature of the predicted shares"""
    group: Positive = 64
    """images that are guided together; divides n"""
    noises: Positive
    """noised copies of each training image with a tone, by which the predictor is fitted"""
    penalty: Annotated[float, Field(gt=0)]
    """inverse of scikit-learn's C of the predictor, a logistic regression"""
    trees: Positive
    """of the judge, which tells tones by the colours of an image's pixels"""
    balanced: Annotated[list[str], Distinct] | None = None
    """sizes that are also trained with the wanted share; null: the smallest; []: none"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models are measured; null: all"""

    @model_validator(mode="after")
    def _check(self) -> Bias:
        if self.removed_at not in self.guidance:
            raise ValueError(f"removed_at: {self.removed_at:g} is not in guidance; add it there")
        if self.n % self.group:
            raise ValueError(f"group: {self.group} does not divide n ({self.n})")
        return self
