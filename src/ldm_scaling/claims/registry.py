"""All claims, topic by topic."""

from __future__ import annotations

from . import family, guidance, later, samplers, sampling, training

CLAIMS = [
    *family.CLAIMS,
    *training.CLAIMS,
    *guidance.CLAIMS,
    *sampling.CLAIMS,
    *samplers.CLAIMS,
    *later.CLAIMS,
]
