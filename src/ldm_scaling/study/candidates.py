"""The section `candidates` of a study: several images of each prompt; one is kept.

Inference-time search (Ma et al., arXiv 2501.09732): a verifier, the study's score of images against
their captions, keeps the best one. A judge that chooses nothing says what that is worth.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from ..kinds.candidates import BEST_OF, METHODS
from .fields import Distinct, OwnSeeds, Positive, Strict, one_of
from .sampling import TrainedSampler

Method = Annotated[str, one_of(METHODS)]
Counts = Annotated[list[Positive], Distinct, Field(min_length=1)]


class Candidates(Strict):
    """Candidates of models at the best guidance of each step count, as `sampling` finds it."""

    methods: Annotated[list[Method], Distinct]
    """best_of (independent noise), zero_order (noise near the best one so far) and resample
    (trajectories that are copied and dropped on the way, by the score of what they predict)"""
    counts: Annotated[Counts, Field(min_length=2)]
    """images that are sampled for each one that is kept; fewer are the first ones of more"""
    steps: Counts | None = None
    """denoising steps of pretrained models; null: sampling.steps"""
    student_steps: Counts | None = None
    """steps of the students of `distill`, among sampling.students.steps; null: no students"""
    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes that make candidates; null: all"""
    sampler: TrainedSampler | None = None
    """of pretrained models, one of sampling.samplers; null: the first"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models make candidates; null: all"""

    @field_validator("methods")
    @classmethod
    def _has_what_others_are_compared_with(cls, methods: list[str]) -> list[str]:
        if BEST_OF not in methods:
            raise ValueError(f"others are compared with {BEST_OF}; add it")
        return sorted(methods, key=list(METHODS).index)

    @field_validator("counts")
    @classmethod
    def _begin_with_one(cls, counts: list[int]) -> list[int]:
        if 1 not in counts:
            raise ValueError("1 candidate is what more are compared with; add 1")
        return sorted(counts)
