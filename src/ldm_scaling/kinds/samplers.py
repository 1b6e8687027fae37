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
    """whether it samples models distilled here, and no others"""
    of_adopted: bool = False
    """whether it samples adopted models only"""


SAMPLERS = {
    own.name: own
    for own in (
        Sampler("ddim", "DDIM"),
        Sampler("ddpm", "DDPM", as_ddim=1),
        Sampler("dpmpp", "DPM-Solver++", as_ddim=2),
        Sampler("lcm", "LCM", of_students=True),
        Sampler("euler", "Euler", of_adopted=True),
        Sampler("native", "the pipeline's own", of_adopted=True),
    )
}
OF_STUDENTS = [own.name for own in SAMPLERS.values() if own.of_students]
OF_ADOPTED = [own.name for own in SAMPLERS.values() if own.of_adopted]
UNDISTILLED = [name for name in SAMPLERS if name not in (*OF_STUDENTS, *OF_ADOPTED)]
"""samplers of models that were trained here and not distilled; adopted models may take them too"""
NATIVE = "native"
