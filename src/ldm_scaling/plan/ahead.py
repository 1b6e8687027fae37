"""The jobs that a target needs with their FLOPs, as JSON, for the time that is left of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from ..jobs.cli import parser, run
from .dag import Job, add_workflow, build


@dataclass(frozen=True)
class Ahead:
    """A job, and what it costs."""

    rule: str
    inputs: frozenset[str]
    outputs: tuple[str, ...]
    flops: float
    due: bool
    """whether Snakemake would run it now"""


def to_json(jobs: Iterable[Ahead]) -> str:
    """The jobs as JSON, for `from_json`."""
    return json.dumps([asdict(job) | {"inputs": sorted(job.inputs)} for job in jobs])


def from_json(text: str) -> list[Ahead]:
    """The jobs that `to_json` wrote. Raises ValueError if the text is no such JSON."""
    return [
        Ahead(**job | {"inputs": frozenset(job["inputs"]), "outputs": tuple(job["outputs"])})
        for job in json.loads(text)
    ]


def needed(jobs: Sequence[Job], targets: Iterable[str]) -> set[Job]:
    """The jobs, given upstream first, that make the targets or what the targets are made from."""
    paths, found = set(targets), set()
    for job in reversed(jobs):
        if paths.intersection(job.outputs):
            found.add(job)
            paths |= job.inputs
    return found


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("targets", nargs="*", help="files (those of target `all`)")
    add_workflow(arguments)
    options = arguments.parse_args()
    jobs = build(options.snakefile, options.configfile)
    from .prices import know, priced  # seconds of import, which a wrong study need not pay

    wanted = needed(jobs, options.targets) if options.targets else set(jobs)
    print(
        to_json(
            Ahead(job.rule, job.inputs, job.outputs, price.flops, job.due)
            for job, price in priced(know(jobs))
            if job in wanted
        )
    )


if __name__ == "__main__":
    run(main)
