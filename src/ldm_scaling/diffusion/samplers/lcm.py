"""Sampling of consistency models (Luo et al. 2023, algorithm 3)."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers

with light_diffusers():
    from diffusers.schedulers.scheduling_lcm import LCMScheduler


def make(settings: dict[str, Any], teacher_steps: int) -> LCMScheduler:
    """A fresh scheduler, whose levels are some of the teacher's."""
    settings = {key: value for key, value in settings.items() if key != "timestep_spacing"}
    return LCMScheduler(original_inference_steps=teacher_steps, set_alpha_to_one=False, **settings)
