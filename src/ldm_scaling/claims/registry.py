"""All claims, topic by topic."""

from __future__ import annotations

from . import (
    distill,
    dreambooth,
    family,
    guidance,
    metrics,
    param_budget,
    samplers,
    sampling,
    search,
    stitch,
    superres,
    training,
)

CLAIMS = [
    *family.CLAIMS,
    *training.CLAIMS,
    *guidance.CLAIMS,
    *search.CLAIMS,
    *sampling.CLAIMS,
    *samplers.CLAIMS,
    *distill.CLAIMS,
    *superres.CLAIMS,
    *dreambooth.CLAIMS,
    *metrics.CLAIMS,
    *stitch.CLAIMS,
    *param_budget.CLAIMS,
]
