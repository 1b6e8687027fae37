"""Ancestral sampling (Ho et al. 2020, algorithm 2) on the respaced steps."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers

with light_diffusers():
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler


def make(settings: dict[str, Any]) -> DDPMScheduler:
    """A fresh scheduler."""
    return DDPMScheduler(clip_sample=False, **settings)
