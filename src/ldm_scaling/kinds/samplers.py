"""Samplers, one line each; diffusion/samplers/NAME.py makes what NAME is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampler:
    """What a study and its pages need to know of a sampler."""

    name: str
    """in studies and paths; lower-case letters"""
    label: str
    """for readers"""
    as_ddim: int = 0
    """up to so many steps it is DDIM, if its trajectory ends clean"""
    of_students: bool = False
    """whether it samples distilled models, and no others"""


SAMPLERS = {
    own.name: own
    for own in (
        Sampler("ddim", "DDIM"),
        Sampler("ddpm", "DDPM", as_ddim=1),
        Sampler("dpmpp", "DPM-Solver++", as_ddim=2),
        Sampler("lcm", "LCM", of_students=True),
    )
}
OF_STUDENTS = [own.name for own in SAMPLERS.values() if own.of_students]
UNDISTILLED = [own.name for own in SAMPLERS.values() if not own.of_students]
"""samplers of models that are not distilled"""
