"""DDIM (Song et al. 2021) without noise at its steps.

It is DPM-Solver++ of first order (Lu et al. 2022, section 4). diffusers' own DDIMScheduler cannot
be given levels, and steps by T // steps levels, which is not its next level where that is rounded.
"""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers

with light_diffusers():
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler


def make(settings: dict[str, Any]) -> DPMSolverMultistepScheduler:
    """A fresh scheduler."""
    return DPMSolverMultistepScheduler(solver_order=1, **settings)
