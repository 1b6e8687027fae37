"""The jobs of a study as Snakemake sees them: the DAG of its target `all`, built and not run.

Everything that is private in Snakemake's Python interface stands in `build`. Snakemake keeps state
of a workflow in its process, so a caller gives each call a process of its own.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..jobs.cli import InputError
from ..study.hub import REPOSITORY


@dataclass(frozen=True, eq=False)
class Job:
    """One job of the DAG, with what Snakemake decides a rerun by."""

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    outputs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    """all parameters that are not made from inputs, outputs or resources, in an order of their
    own"""
    code: str = ""
    """the rule's shell command"""
    spec: str = "{}"
    """JSON of what decides the result"""
    resources: Mapping[str, int | str] = field(default_factory=dict)
    due: bool = True
    """whether Snakemake would run it now"""

    @property
    def name(self) -> str:
        """What tells it from the other jobs of its rule."""
        wildcards = self.wildcards.items()
        return " ".join(key + value if value.isdigit() else value for key, value in wildcards)

    @property
    def decides(self) -> tuple[object, ...]:
        """What another value of makes Snakemake run the job again."""
        return self.inputs, self.params, self.code

    @property
    def gpus(self) -> int:
        """GPUs that it asks for."""
        return int(self.resources.get("gpu", 0))

    @property
    def host_bytes(self) -> int:
        """Memory that it asks for."""
        return int(self.resources.get("mem_mb", 0)) * 10**6


def add_workflow(to: argparse.ArgumentParser) -> None:
    """Add the arguments that name a study's workflow."""
    to.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="overlays of config.yaml, such as studies/paper.yaml; later ones change earlier ones",
    )
    to.add_argument(
        "--snakefile", type=Path, default=REPOSITORY / "Snakefile", help="(%(default)s)"
    )


def build(snakefile: Path, configfiles: Sequence[Path], config: Mapping | None = None) -> list[Job]:
    """Every job of target `all`, upstream first; `config` overrides the files.

    Raises InputError with Snakemake's reason if there is no DAG, such as a missing input.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
    )
    from snakemake_interface_common.exceptions import ApiError, WorkflowError

    quiet = {"log_level_override": logging.ERROR, "enable_file_logging": False}
    with SnakemakeApi(OutputSettings(dryrun=True, **quiet)) as api:
        try:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=config or {}, configfiles=configfiles),
                snakefile=snakefile,
            )
            dag = workflow.dag(DAGSettings(force_incomplete=True))
            dag.execute_workflow(
                executor="dryrun", execution_settings=ExecutionSettings(lock=False)
            )
        except (ApiError, WorkflowError, RuleException) as error:
            reason = " ".join(str(error).split())
            files = " ".join(map(str, configfiles)) or "config.yaml"
            raise InputError(f"{files}: Snakemake finds no jobs ({reason})") from None
        graph: Any = workflow._workflow.dag
        levels = [sorted(level, key=_key) for level in graph.toposorted()]
        return [
            Job(
                rule=job.rule.name,
                wildcards=dict(job.wildcards_dict),
                inputs=frozenset(map(str, job.input)),
                outputs=tuple(map(str, job.output)),
                params=tuple(sorted(map(repr, job.non_derived_params))),
                code=job.rule.shellcmd or "",
                spec=job.params.get("spec", "{}"),
                resources={k: v for k, v in job.resources.items() if isinstance(v, int | str)},
                due=graph.needrun(job),
            )
            for level in levels
            for job in level
            if job.output
        ]


def _key(job) -> tuple[str, list[str]]:
    return job.rule.name, [str(path) for path in job.output]


def reruns(before: Sequence[Job], after: Sequence[Job]) -> list[Job]:
    """Jobs of the second DAG that run again, or for the first time, when the first one's are done.

    Those whose command, parameters or inputs are others, and all that read what they make.
    """
    known = {path: job for job in before for path in job.outputs}
    made: set[str] = set()
    found = []
    for job in after:
        own = [known.get(path) for path in job.outputs]
        if job.inputs & made or any(old is None or old.decides != job.decides for old in own):
            found.append(job)
            made.update(job.outputs)
    return found
