"""Checks of section `candidates` against the rest of a study."""

from __future__ import annotations

from ...kinds.candidates import FIRST_ORDER
from ...kinds.samplers import UNDISTILLED
from ..sections import Sections
from .shared import check_sizes


def check_candidates(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    section, sampling = study.candidates, study.sampling
    if section is None:
        return
    if study.metrics.alignment is None:
        raise ValueError(
            "candidates: a score of images against their captions keeps one, and metrics has"
            " neither scorers nor clip_like; set candidates: null"
        )
    if study.metrics.judge is None:
        raise ValueError(
            "metrics.judge: candidates are judged by another score than the one that keeps them;"
            " name its extractor or scorer"
        )
    check_sizes(study, "candidates.sizes", section.sizes or [])
    sampler = section.sampler or sampling.samplers[0]
    if sampler not in sampling.samplers:
        raise ValueError(f"candidates.sampler: {sampler} is not in sampling.samplers")
    if "resample" in section.methods and sampler not in FIRST_ORDER:
        raise ValueError(
            f"candidates.methods: {sampler} remembers earlier steps, so its trajectories cannot be"
            f" copied; remove resample, or set candidates.sampler to one of"
            f" {', '.join(sorted(FIRST_ORDER & set(UNDISTILLED)))}"
        )
    if section.student_steps and not study.distill:
        raise ValueError("candidates.student_steps: distill is null; set null")
    for key, steps, known in (
        ("steps", section.steps, sampling.steps),
        ("student_steps", section.student_steps, sampling.students.steps),
    ):
        if unknown := set(steps or []) - set(known):
            where = "sampling.students.steps" if key == "student_steps" else "sampling.steps"
            raise ValueError(
                f"candidates.{key}: {min(unknown)} is not in {where}, where the guidance is found;"
                " add it there, or remove it"
            )
