"""What is sampled of cells and in searches of guidance, for the plan."""

from __future__ import annotations

from ..cells.adaptive import searches
from ..cells.search import most_images
from ..study.study import Study
from ..workflow.searches import searched_samplers
from ..workflow.specs.cells import CellSpec, SearchSpec, SweepSpec
from .job import Job


def sampled(spec: SweepSpec, before: SweepSpec | None = None) -> list[tuple[int, CellSpec]]:
    """Images of each cell of a sweep, and of each search the most, as if at its strongest guidance.

    Which scales a search looks at, a plan cannot know: none costs more than that one. Images of
    a sweep that went before are already there, and count with a minus.
    """
    whole = [(cell.n, cell) for cell in spec.cells]
    there = sampled(before) if before else []
    shared = [(-images, cell) for images, cell in there if cell in spec.cells]
    return [*whole, *_most(spec.search), *shared]


def _most(spec: SearchSpec | None) -> list[tuple[int, CellSpec]]:
    return [
        (
            most_images(len(cells), cells[0].n, spec.look),
            max(cells, key=lambda cell: cell.guidance),
        )
        for cells in searches(spec).values()
    ]


def replay_jobs(study: Study) -> list[Job]:
    """Of the table search_cost.csv, if there is a guidance to find."""
    output = f"{study.results}/tables/search_cost.csv"
    return [Job("replay_searches", output)] if searched_samplers(study) else []
