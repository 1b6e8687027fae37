"""DPM-Solver++ 2M (Lu et al. 2022, algorithm 2)."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers

with light_diffusers():
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler


def make(settings: dict[str, Any]) -> DPMSolverMultistepScheduler:
    """A fresh scheduler."""
    return DPMSolverMultistepScheduler(**settings)
