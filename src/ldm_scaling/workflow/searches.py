"""Whose guidance is searched, and the names under which cells of one sampler stand.

A name is a sampler; below it stand its cells at every scale, or on another schedule.
"""

from __future__ import annotations

from ..study.study import Study
from . import stages

GRID = "grid"
"""the folder below a sampler's: its cells at every scale, beside the few that a search samples"""


def sampler_of(name: str) -> str:
    """The sampler of cells that stand under its name, or below it."""
    return name.partition("/")[0]


def on_other_schedules(study: Study) -> dict[str, str]:
    """The name of the first sampler's cells on each other schedule, and the schedule."""
    sampler = study.sampling.samplers[0]
    return {f"{sampler}/{schedule}": schedule for schedule in study.sampling.other_schedules or []}


def whole_grid(study: Study, stage: str, sampler: str) -> str:
    """The name under which a sampler's cells of every scale stand."""
    searched = study.searches and (stage, sampler) in searched_samplers(study)
    return f"{sampler}/{GRID}" if searched else sampler


def sampler_names(study: Study, stage: str) -> list[str]:
    """The names under which cells of a stage stand: its samplers, and what is below them."""
    own = stages.samplers(study).get(stage, [])
    below = [whole_grid(study, stage, sampler) for sampler in own]
    others = on_other_schedules(study) if stage == stages.PRETRAIN else ()
    return list(dict.fromkeys([*own, *below, *others]))


def shown_grids(study: Study) -> list[str]:
    """The names of cells of pretrained models at every scale: what figures and claims show.

    First that of the sampler of figures of one, then that of the fixed setting.
    """
    samplers = (study.sampling.samplers[0], study.sampling.fixed.sampler)
    return [whole_grid(study, stages.PRETRAIN, sampler) for sampler in samplers]


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
