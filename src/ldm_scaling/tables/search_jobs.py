"""What guidance searches cost, and the job that replays them, without running anything."""

from __future__ import annotations

from ..cells.adaptive import searched_steps
from ..cells.search import most_images
from ..diffusion.samplers import network_evaluations
from ..specs import SearchSpec
from ..study import Study
from .job import Job


def searches(spec: SearchSpec | None, embedded: bool) -> list[tuple[int, int]]:
    """Of every adaptive search the most images, and network evaluations of one at its costliest.

    Which scales it looks at, a plan cannot know; `embedded` says that guidance costs nothing.
    """
    found = []
    for steps in searched_steps(spec):
        cells = [cell for cell in spec.candidates if cell.steps == steps]
        strongest = max(cell.guidance for cell in cells)
        images = most_images(len(cells), cells[0].n, spec.share)
        found.append((images, network_evaluations(steps, strongest, embedded)))
    return found


def replay_jobs(study: Study) -> list[Job]:
    """Of the table search_cost.csv, where all scales are sampled."""
    output = f"{study.results}/tables/search_cost.csv"
    return [Job("replay_searches", output)] if study.search.every_scale else []
