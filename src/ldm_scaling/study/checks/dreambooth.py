"""Checks of section `dreambooth` against the rest of a study."""

from __future__ import annotations

from typing import TypeVar

from ..sections import Sections
from .shared import check_sizes

Whole = TypeVar("Whole", bound=Sections)


def with_subjects(study: Whole) -> Whole:
    """The study, without the section `dreambooth` if there are no subjects.

    Raises ValueError, naming the key, if the section does not fit the others.
    """
    dreambooth = study.dreambooth
    if dreambooth is None:
        return study
    check_sizes(study, "dreambooth.sizes", dreambooth.sizes or [])
    of_emoji = study.data.source == "emoji" and study.data.evaluation is None
    if dreambooth.path is None and not of_emoji:
        return study.model_copy(update={"dreambooth": None})
    return study
