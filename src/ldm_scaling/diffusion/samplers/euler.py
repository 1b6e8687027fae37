"""Euler's method along the straight lines of flow matching (Esser et al. 2024, section 3.1)."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers
from ..flow import shift_of

with light_diffusers():
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
        FlowMatchEulerDiscreteScheduler,
    )

_KEPT = ("use_dynamic_shifting", "base_shift", "max_shift", "base_image_seq_len")
_KEPT += ("max_image_seq_len", "shift_terminal", "time_shift_type")


def make_flow(own: dict[str, Any]) -> FlowMatchEulerDiscreteScheduler:
    """A fresh scheduler for the flow of a pipeline, which `own` is the configuration of."""
    known = {name: own[name] for name in _KEPT if name in own}
    return FlowMatchEulerDiscreteScheduler(shift=shift_of(own), **known)


def told(steps: int) -> dict[str, Any]:
    """The levels that a call is given. Without them the last step does next to nothing."""
    return {"sigmas": [1 - step / steps for step in range(steps)]}
