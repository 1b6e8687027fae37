"""Checks of the section `bias` against the rest of the study."""

from __future__ import annotations

from ...kinds.architectures import ARCHITECTURES
from ..sections import Sections
from .shared import check_sizes, check_steps


def check_bias(study: Sections) -> None:
    """Raise ValueError, naming the key, if the section does not fit the others."""
    bias, own = study.bias, ARCHITECTURES[study.family.architecture]
    if bias is None:
        return
    if study.data.tones is None:
        raise ValueError(
            "bias: needs drawings whose tones are not named; set data.skin_tones to a share, such"
            " as {share: 0.8}"
        )
    if study.data.evaluation:
        raise ValueError("bias: its prompts are of data.source; set data.evaluation: null")
    if not own.bias:
        raise ValueError(f"bias: architecture {own.name} has no bottleneck; set null")
    if study.metrics.extractor is None:
        raise ValueError("bias: needs an extractor in metrics.extractors; name one, or set null")
    if (components := study.metrics.components or 0) >= bias.n:
        raise ValueError(
            f"bias.n: must be larger than the components of metrics.extractors ({components})"
        )
    check_steps(study, "bias.steps", bias.steps)
    check_sizes(study, "bias.balanced", bias.balanced or [])
    if bias.sampler and bias.sampler not in study.sampling.samplers:
        raise ValueError(f"bias.sampler: {bias.sampler} is not in sampling.samplers")
