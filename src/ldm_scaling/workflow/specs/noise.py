"""The spec of jobs that take the losses of trained models at single noise levels."""

from __future__ import annotations

from typing import Literal

from ...study.diffusion import Diffusion
from ...study.fields import Positive, Seed, Strict
from ...study.study import Study
from ...study.training import Kept
from .. import needed


class NoiseLossesSpec(Strict):
    """Losses of held-out images by bands of noise levels."""

    recipe: Literal[1] = 1
    diffusion: Diffusion
    keep: Kept
    """fractions of the training at which checkpoints were kept"""
    bands: Positive = 8
    """of equally many noise levels"""
    n: Positive
    """images: the first ones of the validation split"""
    seed: Seed
    """of their noise"""

    @classmethod
    def of(cls, study: Study) -> NoiseLossesSpec:
        """Spec of rule noise_losses. Raises StudyError if the study trains no models."""
        needed.trains(study)
        sampling = study.sampling
        return cls(
            diffusion=study.diffusion,
            keep=study.training.keep,
            n=sampling.n,
            seed=sampling.seed,
        )
