"""The wildcard parts of rule collect: functions of a job's stage and sampler."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from ..study.study import Study
from . import stages
from .files import Given, measured, options
from .searches import sampler_of


def files_of(study: Study) -> Callable[[Any], list[str]]:
    """A function of wildcards: metrics and draws of each model of the stage."""

    def of_job(wildcards: Any) -> list[str]:
        return [path for given in _given(study, wildcards) for path in given.paths]

    return of_job


def costs_of(study: Study) -> Callable[[Any], str]:
    """A function of wildcards: costs of the stage's models by size, as family.csv has them.

    A trained student costs what its teacher does; an adopted one is another pipeline.
    """

    def of_job(wildcards: Any) -> str:
        own = study.adopted and wildcards.stage != stages.PRETRAIN
        return f"{study.results}/" + ("models/students.csv" if own else "tables/family.csv")

    return of_job


def options_of(study: Study) -> Callable[[Any, Any], str]:
    """Function that returns a job's options from its wildcards and input.

    For each model: `--metrics STAGE SIZE SEED SAMPLER METRICS DRAWS`.
    """

    def of_job(wildcards: Any, input: Any) -> str:
        return shlex.join(options("metrics", _given(study, wildcards), input.metrics))

    return of_job


def grid_of(study: Study) -> Callable[[Any], str]:
    """A function of wildcards: `--steps COUNTS --guidance SCALES` of the stage's grid.

    With `--grid-of SIZE COUNTS SCALES`, separated by commas, for each model that has another.
    """

    def of_job(wildcards: Any) -> str:
        sampler = sampler_of(wildcards.sampler)
        steps, guidance = whole = stages.grid(study, wildcards.stage, sampler=sampler)
        words = ["--steps", *map(str, steps), "--guidance", *map(str, guidance)]
        for size in stages.sizes(study, wildcards.stage):
            own = stages.grid(study, wildcards.stage, size, sampler)
            lists = [",".join(map(str, part)) for part in own]
            words += ["--grid-of", size, *lists] if own != whole else []
        return shlex.join(words)

    return of_job


def deviation_of(study: Study) -> str:
    """`--training-sd DEVIATION`, if the study gives one."""
    deviation = study.metrics.training_sd
    return "" if deviation is None else f"--training-sd {deviation}"


def _given(study: Study, wildcards: Any) -> list[Given]:
    sampler = sampler_of(wildcards.sampler)
    return measured(study, wildcards.stage, wildcards.sampler, sampler)
