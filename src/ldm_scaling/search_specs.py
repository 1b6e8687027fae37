"""The specs of adaptive guidance searches, from a study."""

from __future__ import annotations

from . import stages
from .specs import CellSpec, MeasureSpec, SearchCostSpec, SearchSpec, SweepSpec
from .study import Study


def searched(study: Study, stage: str, sweep: SweepSpec) -> SweepSpec:
    """A sweep of the whole grid as the study samples it: adaptively, if it says so.

    Cells of kept checkpoints, of the fixed setting and of the parameter budget's pairs, which have
    few scales, are sampled as they are.
    """
    steps, scales = stages.grid(study, stage)
    if study.search.every_scale or len(scales) == 1 or stages.is_budget(stage):
        return sweep
    candidates = [
        cell
        for cell in sweep.cells
        if cell.trained is None and cell.steps in steps and cell.guidance in scales
    ]
    whole = [
        cell for cell in sweep.cells if cell not in candidates or _is_fixed(study, stage, cell)
    ]
    search = SearchSpec(
        candidates=candidates,
        share=study.search.share,
        select_by=study.metrics.select_by,
        components=study.metrics.components,
    )
    return SweepSpec(diffusion=sweep.diffusion, cells=whole, search=search)


def _is_fixed(study: Study, stage: str, cell: CellSpec) -> bool:
    fixed = study.sampling.fixed
    setting = (stages.PRETRAIN, fixed.sampler, fixed.steps, fixed.guidance)
    return (stage, cell.sampler, cell.steps, cell.guidance) == setting


def search_cost(study: Study, measure: MeasureSpec) -> SearchCostSpec:
    """Of rule replay_searches, with the spec of what measures the cells."""
    metrics, grids = study.metrics, {}
    for stage in stages.samplers(study):
        steps, scales = stages.grid(study, stage)
        if len(scales) > 1:
            grids[stage] = (steps, scales)
    return SearchCostSpec(
        grids=grids,
        n=measure.n,
        share=study.search.share,
        select_by=metrics.select_by,
        metric=metrics.names[metrics.select_by],
        components=metrics.components,
        confidence=metrics.confidence,
    )
