"""Checks of sections `distill` and `guided_distill` against the rest of a study."""

from __future__ import annotations

from ...kinds.architectures import ARCHITECTURES
from ..distill import FEW_STEPS
from ..sections import Sections
from .shared import check_sizes


def check_students(study: Sections) -> None:
    """Raise ValueError, naming the key, if students do not fit the rest of a study."""
    architecture = ARCHITECTURES[study.family.architecture]
    if (study.distill or study.guided_distill) and not architecture.students:
        key = "distill" if study.distill else "guided_distill"
        raise ValueError(f"{key}: architecture {architecture.name} has no students; set null")
    levels, most = study.diffusion.train_timesteps, max(study.sampling.students.steps)
    if (study.distill or study.guided_distill) and FEW_STEPS not in study.sampling.students.steps:
        raise ValueError(
            f"sampling.students.steps: students are compared at {FEW_STEPS} steps; add {FEW_STEPS}"
        )
    if study.distill and not most <= study.distill.teacher_steps <= levels:
        raise ValueError(
            f"distill.teacher_steps: must be at least {most}, the largest of"
            f" sampling.students.steps, and at most diffusion.train_timesteps ({levels})"
        )
    if study.distill and levels % study.distill.teacher_steps:
        raise ValueError(
            f"distill.teacher_steps: must divide diffusion.train_timesteps ({levels}), so that"
            " students start at pure noise"
        )
    if "plain" in (study.arms or {}):
        raise ValueError(
            "distill.stochastic.plain: the student of `distill` itself has this name; take another"
        )
    for name, arm in (study.arms or {}).items():
        if study.distill and (interval := levels // study.distill.teacher_steps) % arm.substeps:
            raise ValueError(
                f"distill.stochastic.{name}.substeps: must divide the {interval} noise levels"
                " between two of distill.teacher_steps"
            )
    for name, section in (("distill", study.distill), ("guided_distill", study.guided_distill)):
        untold = set(study.sampling.students.guidance) - set(section.guidance if section else [])
        if section and untold:
            raise ValueError(
                f"sampling.students.guidance: students do not learn {min(untold):g}; add it to"
                f" {name}.guidance, or remove it here"
            )
    if study.guided_distill:
        if (schedule := study.sampling.schedule) != "trailing":
            raise ValueError(
                "guided_distill: a student's levels must be every second one of its teacher's,"
                f" which is not so with sampling.schedule {schedule}; set null, or take trailing"
            )
        check_sizes(study, "guided_distill.sizes", study.guided_distill.sizes or [])
        if (most := levels // 2) < study.guided_distill.steps[0]:
            raise ValueError(
                f"guided_distill.steps: {study.guided_distill.steps[0]} is more than {most}; the"
                f" teacher takes twice as many of diffusion.train_timesteps ({levels})"
            )
