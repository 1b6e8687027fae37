"""Settings of tables and figures: what each word stands for that is no key of the study."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..kinds.stages import SUPERRES
from ..study.distill import FEW_STEPS
from ..study.metrics import JUDGE
from ..study.study import Study
from . import stages
from .specs.claims import ClaimsSpec
from .specs.costs import CostSpec
from .specs.inversion import InversionCosts
from .specs.measuring import MeasureSpec
from .specs.tables import ParamBudgetSpec, SearchCostSpec

SPECS = {
    "measure_spec": MeasureSpec,
    "cost_spec": CostSpec,
    "claims_spec": ClaimsSpec,
    "search_cost_spec": SearchCostSpec,
    "param_budget_spec": ParamBudgetSpec,
    "inversion_costs": InversionCosts,
}
"""words of specs"""


def named(study: Study, word: str) -> Any:
    """What a word stands for; one that is neither a spec nor a function is a key of the study."""
    if spec := SPECS.get(word):
        return spec.of(study).model_dump_json()
    function = globals().get(word)
    return function(study) if function else attrgetter(word)(study)


def metric(study: Study) -> str:
    """The metric that chooses the guidance."""
    return study.metrics.selecting


def metrics(study: Study) -> list[str]:
    """The same, and the metric of images against their captions, if there is one."""
    named = [metric(study), study.metrics.alignment]
    return list(dict.fromkeys(name for name in named if name))


def every_metric(study: Study) -> list[str]:
    """All metrics of cells."""
    return list(study.metrics.names.values())


def selecting_first(study: Study) -> list[str]:
    """The same, first the one that chooses the guidance."""
    return list(dict.fromkeys([metric(study), *every_metric(study)]))


def first_seed(study: Study) -> int:
    """The training seed that figures show."""
    return study.training_seeds[0]


def sampler(study: Study) -> str:
    """What figures of one sampler draw."""
    return study.sampling.samplers[0]


def scales(study: Study) -> list[float]:
    """Guidance scales of the grid of all sizes that figures of guidance show."""
    return _of_all(study, study.guidance_sizes)[1]


def unguided(study: Study) -> list[str] | None:
    """Adopted models that are never guided; None if there are none."""
    models = study.adopted.compared if study.adopted else []
    return [model.name for model in models if model.unguided] or None


def _of_all(study: Study, sizes: list[str]) -> tuple[list[int], list[float]]:
    """Step counts and scales of the fixed setting's sampler that all of these sizes take."""
    sampler = study.sampling.fixed.sampler
    grids = [stages.grid(study, stages.PRETRAIN, size, sampler) for size in sizes]
    steps, scales = (set.intersection(*map(set, own)) for own in zip(*grids, strict=True))
    return sorted(steps), sorted(scales)


def _steps_up_to(grid: list[int], most: int) -> int:
    """The most steps of a grid that are not more than these, else its fewest."""
    return max((steps for steps in grid if steps <= most), default=grid[0])


def steps_near_fixed(study: Study) -> int:
    """Steps of the grid, nearly those of the fixed setting, of the sizes that figures show."""
    return _steps_up_to(_of_all(study, study.guidance_sizes)[0], study.sampling.fixed.steps)


def few(study: Study) -> int:
    """Steps at which students are compared."""
    return FEW_STEPS


def few_and_most_steps(study: Study) -> list[int]:
    """Steps of every size with a student, nearly as few as a student's, and the most."""
    grid = _of_all(study, stages.sizes(study, stages.DISTILL))[0]
    return [_steps_up_to(grid, FEW_STEPS), grid[-1]]


def inversion_metrics(study: Study) -> list[str]:
    """What is drawn of made noise: the judge, its own score, and the choosing metric."""
    return [JUDGE, *(name for name in (study.metrics.alignment, metric(study)) if name)]


stitch_sampler = stages.stitched_sampler


def superres_metrics(study: Study) -> list[str]:
    """The choosing metric, and those that only super-resolution has."""
    measured = MeasureSpec.of(study, SUPERRES).names
    return [metric(study), *(name for name in measured if name not in every_metric(study))]
