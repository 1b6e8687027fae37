"""All claims, topic by topic."""

from __future__ import annotations

from . import (
    distill,
    dreambooth,
    family,
    guidance,
    metrics,
    samplers,
    sampling,
    stitch,
    superres,
    training,
)

CLAIMS = [
    *family.CLAIMS,
    *training.CLAIMS,
    *guidance.CLAIMS,
    *sampling.CLAIMS,
    *samplers.CLAIMS,
    *distill.CLAIMS,
    *superres.CLAIMS,
    *dreambooth.CLAIMS,
    *metrics.CLAIMS,
    *stitch.CLAIMS,
]
