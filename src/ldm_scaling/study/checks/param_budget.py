"""Checks of section `param_budget` against the rest of a study."""

from __future__ import annotations

import math
import re

from ...kinds.architectures import ARCHITECTURES
from ...kinds.sizes import channels
from ..sections import Sections
from .shared import check_steps


def check_param_budget(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    budget = study.param_budget
    if budget is None:
        return
    own = ARCHITECTURES[study.family.architecture]
    unit = math.lcm(*(getattr(study.family, name) for name in own.divisors))
    keys = " and ".join(f"family.{name}" for name in own.divisors)
    for size in budget.sizes:
        if not re.fullmatch(own.size, size):
            known = study.family.sizes[0]
            raise ValueError(f"param_budget.sizes: {size} is not a size such as {known}")
        if channels(size) % unit:
            raise ValueError(
                f"param_budget.sizes: the channels of {size} must be a multiple of {unit}, for"
                f" {keys}"
            )
    check_steps(study, "param_budget.steps", [budget.steps])
