"""All claims, topic by topic."""

from __future__ import annotations

from . import distill, family, guidance, later, samplers, sampling, training

CLAIMS = [
    *family.CLAIMS,
    *training.CLAIMS,
    *guidance.CLAIMS,
    *sampling.CLAIMS,
    *samplers.CLAIMS,
    *distill.CLAIMS,
    *later.CLAIMS,
]
