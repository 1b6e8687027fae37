"""Schedules: where a solver's steps lie among the noise levels; diffusion/schedules.py has each."""

from __future__ import annotations

SCHEDULES = ("trailing", "leading", "linspace")
"""names as diffusers has them for `timestep_spacing`"""
EXPORTED = "trailing"
"""the schedule of exported pipelines"""
RECIPES = {"linspace": 1}
"""a number for each schedule whose levels have changed; raise it when they change again"""
