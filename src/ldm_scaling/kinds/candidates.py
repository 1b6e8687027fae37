"""Methods that make several images of a prompt; a verifier keeps one; one line each.

cells/candidates/NAME.py does what NAME is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """What a study and its figures need to know of a method."""

    name: str
    """in studies, tables and names of cells"""
    label: str
    """for readers"""
    nested: bool = True
    """whether its first images are those of the same method with fewer candidates"""


BEST_OF = "best_of"
METHODS = {
    own.name: own
    for own in (
        Method(BEST_OF, "Best of N"),
        Method("zero_order", "Zero-order search"),
        Method("resample", "Resampling along the trajectory", nested=False),
    )
}
"""the first one is what others are compared with"""
PARTICLES = 4
"""trajectories that are resampled together, as the SDXL settings of Singhal et al. 2025 have it"""
RESAMPLED_AT = (0.25, 0.5, 0.75)
"""shares of the steps after which they are resampled"""
FIRST_ORDER = frozenset({"ddim", "ddpm", "lcm"})
"""samplers that remember no earlier step, so that a trajectory can go on as a copy of another"""


def resampled_after(steps: int) -> list[int]:
    """Numbers of steps after which trajectories of so many steps are resampled, rising.

    Shares are rounded to whole steps, a half up. After the last step there is nothing to resample.
    """
    rounded = {int(share * steps + 0.5) for share in RESAMPLED_AT}
    return sorted(rounded - {0, steps})


def verified(method: str, candidates: int, steps: int) -> int:
    """Images that are decoded and scored for each one that is kept: 0 if there is no choice.

    Trajectories that are resampled are looked at, as predicted images, each time and at the end.
    """
    looks = 1 if METHODS[method].nested else 1 + len(resampled_after(steps))
    return candidates * looks if candidates > 1 else 0
