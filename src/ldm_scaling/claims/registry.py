"""All claims, topic by topic."""

from __future__ import annotations

from . import (
    bias,
    candidates,
    curriculum,
    distill,
    dreambooth,
    family,
    guidance,
    inversion,
    metrics,
    param_budget,
    samplers,
    sampling,
    scott,
    search,
    stitch,
    superres,
    training,
)

TOPICS = [family, training, guidance, search, sampling, samplers]
TOPICS += [distill, superres, dreambooth, metrics, stitch, param_budget, curriculum, scott]
TOPICS += [bias, candidates, inversion]
CLAIMS = [claim for topic in TOPICS for claim in topic.CLAIMS]
