"""Whose guidance is searched, and the names under which cells of every scale stand."""

from __future__ import annotations

from ..study.study import Study
from . import stages

GRID = "grid"
"""the folder below a sampler's: its cells at every scale, beside the few that a search samples"""


def sampler_of(name: str) -> str:
    """The sampler of cells that stand under its name, or under that of its whole grid."""
    return name.removesuffix(f"/{GRID}")


def whole_grid(study: Study, stage: str, sampler: str) -> str:
    """The name under which a sampler's cells of every scale stand."""
    searched = study.searches and (stage, sampler) in searched_samplers(study)
    return f"{sampler}/{GRID}" if searched else sampler


def sampler_names(study: Study, stage: str) -> list[str]:
    """The names under which cells of a stage stand: its samplers, and their whole grids beside."""
    own = stages.samplers(study).get(stage, [])
    return list(dict.fromkeys([*own, *(whole_grid(study, stage, sampler) for sampler in own)]))


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
