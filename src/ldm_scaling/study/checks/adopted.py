"""Checks of section `adopted` against the rest of a study."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ...kinds.samplers import NATIVE
from ..adopted import AdoptedModel
from ..distill import FEW_STEPS
from ..sampling import at_most
from ..sections import Sections

Whole = TypeVar("Whole", bound=Sections)


def check_adopted(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    if study.adopted is None:
        return
    sampling = study.sampling
    if sampling.other_schedules and sampling.samplers[0] == NATIVE:
        raise ValueError(
            f"sampling.other_schedules: {NATIVE}, the first of sampling.samplers, has a schedule"
            " of its own; set null"
        )
    own = {model.name: model for model in study.adopted.compared}
    taught = [own[name] for name in study.adopted.students]

    def steps_of(model: AdoptedModel) -> set[int]:
        names = (model.name, sampling.fixed.sampler)
        return set(at_most(model.steps or sampling.steps, sampling.most_steps, *names))

    if not _shared(map(steps_of, taught)):
        names = ", ".join(model.name for model in taught)
        raise ValueError(
            f"adopted.models: {names} share no step count, at which figures could show them beside"
            " their students; give their steps a common one"
        )
    drawn = [own[name] for name in study.guidance_sizes]
    if study.has_every_scale and not (
        _shared(map(steps_of, drawn))
        and _shared(set(model.guidance or sampling.guidance) for model in drawn)
    ):
        raise ValueError(
            f"figures.guidance_sizes: {', '.join(study.guidance_sizes)} share no step count or no"
            " guidance scale; name models that do"
        )
    for student in study.adopted.students.values():
        if FEW_STEPS not in (student.steps or sampling.students.steps):
            raise ValueError(
                f"adopted.models: {student.name} lacks {FEW_STEPS} steps, at which students are"
                f" compared; add {FEW_STEPS} to its steps"
            )


def of_evaluation(study: Whole) -> Whole:
    """The study of adopted models, with the source of its evaluation as the only one."""
    own = study.data.evaluation
    if own is None:
        return study
    only = {"source": own.source, "path": own.path, "revision": None, "max_images": None}
    data = study.data.model_copy(update={**only, "evaluation": None})
    return study.model_copy(update={"data": data})


def _shared(grids: Iterable[set]) -> bool:
    """Whether grids have a common value; there may be no grids."""
    listed = list(grids)
    return not listed or bool(set.intersection(*listed))
