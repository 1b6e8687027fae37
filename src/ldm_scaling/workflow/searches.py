"""Whose guidance is searched, and the names under which cells of one sampler stand.

A name is a sampler; below that of the first one stand its cells on other schedules.
"""

from __future__ import annotations

from ..study.study import Study
from . import stages


def sampler_of(name: str) -> str:
    """The sampler of cells that stand under its name, or below it."""
    return name.partition("/")[0]


def on_other_schedules(study: Study) -> dict[str, str]:
    """The name of the first sampler's cells on each other schedule, and the schedule."""
    sampler = study.sampling.samplers[0]
    return {f"{sampler}/{schedule}": schedule for schedule in study.sampling.other_schedules or []}


def searched_samplers(study: Study) -> list[tuple[str, str]]:
    """Stage and sampler of all whose guidance is to be found among several scales."""
    return [
        (stage, sampler)
        for stage, samplers in stages.samplers(study).items()
        for sampler in samplers
        if len(stages.grid(study, stage)[1]) > 1
    ]


def searched_models(study: Study) -> list[tuple[str, str, int, str]]:
    """Stage, size, training seed and sampler of every model whose guidance is to be found."""
    return [
        (stage, size, seed, sampler)
        for stage, size, seed in stages.models(study)
        for kind, sampler in searched_samplers(study)
        if kind == stage
    ]
