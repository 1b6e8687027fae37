"""DDIM (Song et al. 2021) without noise at its steps."""

from __future__ import annotations

from typing import Any

from ...jobs.light_imports import light_diffusers

with light_diffusers():
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler


def make(settings: dict[str, Any]) -> DDIMScheduler:
    """A fresh scheduler."""
    return DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **settings)
