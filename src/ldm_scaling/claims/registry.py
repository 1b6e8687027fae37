"""All claims, topic by topic."""

from __future__ import annotations

from . import (
    distill,
    dreambooth,
    family,
    guidance,
    param_budget,
    samplers,
    sampling,
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
    *param_budget.CLAIMS,
]
