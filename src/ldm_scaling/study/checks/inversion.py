"""Checks of section `inversion` against the rest of a study."""

from __future__ import annotations

from ..sections import Sections
from .shared import check_sizes


def check_inversion(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    own = study.inversion
    if own is None:
        return
    if own.steps > 1:
        raise ValueError(
            f"inversion.steps: over {own.steps} steps inversion is known to fail: images blur"
            " (FID 217 at 10 steps, arXiv 2412.03895, table 7); set 1"
        )
    if study.distill is None:
        raise ValueError(
            "inversion: only students of one step can be inverted, and distill is null; set"
            " inversion: null"
        )
    if study.metrics.alignment is None:
        raise ValueError(
            "inversion: noise is made for a score, and metrics has neither scorers nor clip_like;"
            " set inversion: null"
        )
    if study.metrics.judge is None:
        raise ValueError(
            "metrics.judge: noise is judged by another score than the one that it is made for; name"
            " its extractor or scorer"
        )
    if not study.data.is_packed:
        raise ValueError(
            f"inversion: captions of data.source {study.data.source} stay in their shards, and are"
            " not scored; set inversion: null"
        )
    check_sizes(study, "inversion.sizes", own.sizes or [])
    if own.guidance not in study.distill.guidance:
        raise ValueError(
            f"inversion.guidance: students do not learn {own.guidance:g}; add it to"
            " distill.guidance, or take one of these"
        )
    trained = set(study.distill.seeds or study.training.seeds)
    if untaught := set(own.seeds or study.training.seeds) - trained:
        raise ValueError(
            f"inversion.seeds: no model of seed {min(untaught)} is distilled; remove it, or add it"
            " to distill.seeds"
        )
