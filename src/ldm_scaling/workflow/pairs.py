"""Pairs of a text encoder and a U-Net: which encoder a stage of the parameter budget has."""

from __future__ import annotations

from ..kinds.stages import BUDGET
from ..study.fields import StudyError
from ..study.latents import TextEncoder
from ..study.param_budget import BudgetEncoder
from ..study.study import Study
from . import needed


def encoder(study: Study, stage: str) -> BudgetEncoder:
    """The text encoder of a stage. Raises StudyError if the study does not name it."""
    encoders = needed.param_budget(study).text_encoders
    known = {f"{BUDGET}{encoder.name}": encoder for encoder in encoders}
    if stage not in known:
        name = stage.removeprefix(BUDGET)
        raise StudyError(f"config key param_budget.text_encoders: {name} is not among them")
    return known[stage]


def text_encoder(study: Study, stage: str) -> TextEncoder:
    """The same as the section `latents` would name it; captions have the study's length."""
    tokens = study.latents.text_encoder.max_tokens
    return TextEncoder(**dict(encoder(study, stage)), max_tokens=tokens)


def is_own(study: Study, stage: str) -> bool:
    """Whether it is the study's own text encoder, whose embeddings are there."""
    return text_encoder(study, stage) == study.latents.text_encoder
