"""Schedules: where a solver's steps lie among the noise levels; diffusion/schedules.py has each."""

from __future__ import annotations

SCHEDULES = ("trailing", "leading", "linspace")
"""names as diffusers has them for `timestep_spacing`"""
EXPORTED = "trailing"
"""that of exported pipelines"""
RECIPES = {"linspace": 1}
"""of schedules whose levels are not what they were; raise it when they change again"""
