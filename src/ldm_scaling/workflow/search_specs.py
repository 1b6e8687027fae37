"""The specs of adaptive guidance searches, from a study."""

from __future__ import annotations

from ..study.study import Study
from . import stages
from .specs import CellSpec, MeasureSpec, SearchCostSpec, SearchSpec, SweepSpec

GRID = "_grid"
"""after a sampler's name: its cells at every scale, where a search samples few of them whole"""


def sampler_of(name: str) -> str:
    """The sampler of cells that stand under its name, or under that of its whole grid."""
    return name.removesuffix(GRID)


def whole_grid(study: Study, stage: str, sampler: str) -> str:
    """The name under which a sampler's cells of every scale stand."""
    searched = study.searches and (stage, sampler) in searched_samplers(study)
    return sampler + GRID if searched else sampler


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


def collected(study: Study) -> list[tuple[str, str]]:
    """Stage and name of the cells that have a table: of each sampler, and the grids shown."""
    own = [(stage, name) for stage, names in stages.samplers(study).items() for name in names]
    grids = [(stages.PRETRAIN, name) for name in shown_grids(study)]
    return list(dict.fromkeys([*own, *grids]))


def searched_samplers(study: Study) -> list[tuple[str, str]]:
    """Stage and sampler of all whose guidance is to be found among several scales."""
    return [
        (stage, sampler)
        for stage, samplers in stages.samplers(study).items()
        for sampler in samplers
        if len(stages.grid(study, stage)[1]) > 1
    ]


def searched(study: Study, stage: str, sweep: SweepSpec) -> SweepSpec:
    """A sweep of the whole grid as the study samples it: adaptively, if it says so.

    Cells of kept checkpoints, of the fixed setting and of the parameter budget's pairs, which have
    one step count, are sampled as they are.
    """
    steps, scales = stages.grid(study, stage)
    if not study.searches or len(scales) == 1 or stages.is_budget(stage):
        return sweep
    candidates = [
        cell
        for cell in sweep.cells
        if cell.trained is None and cell.steps in steps and cell.guidance in scales
    ]
    whole = [
        cell for cell in sweep.cells if cell not in candidates or _is_fixed(study, stage, cell)
    ]
    return SweepSpec(diffusion=sweep.diffusion, cells=whole, search=search_spec(study, candidates))


def search_spec(study: Study, candidates: list[CellSpec]) -> SearchSpec:
    """Of finding the guidance among cells as the study says."""
    return SearchSpec(
        candidates=candidates,
        look=study.search.look,
        select_by=study.metrics.select_by,
        components=study.metrics.components,
    )


def _is_fixed(study: Study, stage: str, cell: CellSpec) -> bool:
    fixed = study.sampling.fixed
    setting = (stages.PRETRAIN, fixed.sampler, fixed.steps, fixed.guidance)
    return (stage, cell.sampler, cell.steps, cell.guidance) == setting


def search_cost(study: Study, measure: MeasureSpec) -> SearchCostSpec:
    """Of rule replay_searches, with the spec of what measures the cells."""
    metrics = study.metrics
    return SearchCostSpec(
        grids={stage: stages.grid(study, stage) for stage, _ in searched_samplers(study)},
        n=measure.n,
        look=study.search.look,
        select_by=metrics.select_by,
        metric=metrics.names[metrics.select_by],
        components=metrics.components,
        confidence=metrics.confidence,
    )
