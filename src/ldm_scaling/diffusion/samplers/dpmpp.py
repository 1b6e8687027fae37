"""DPM-Solver++ 2M (Lu et al. 2022, algorithm 2)."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers
from ..flow import shift_of

with light_diffusers():
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler


def make(settings: dict[str, Any]) -> DPMSolverMultistepScheduler:
    """A fresh scheduler."""
    return DPMSolverMultistepScheduler(**settings)


def make_flow(own: dict[str, Any]) -> DPMSolverMultistepScheduler:
    """A fresh scheduler for the flow of a pipeline, which `own` is the configuration of.

    Its shift of the levels has another name here, and `from_config` would lose it.
    """
    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift_of(own),
        use_dynamic_shifting=own.get("use_dynamic_shifting", False),
    )


def told(steps: int) -> dict[str, Any]:
    """What a call of a flow is told beside the number of steps: nothing."""
    return {}
