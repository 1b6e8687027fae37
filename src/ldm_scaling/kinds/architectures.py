"""Architectures of denoisers, one line each; models/architectures/NAME.py builds what NAME is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FOLDER = "unet"
"""of a model's folder: where rules look for the denoiser, whatever its architecture"""
WEIGHTS = "diffusion_pytorch_model.safetensors"
"""of a network's folder, as diffusers has it"""


@dataclass(frozen=True)
class Architecture:
    """What a study and the paths of results need to know of an architecture."""

    name: str
    """in `family.architecture`"""
    network: str
    """class of its networks, which config.json of a trained one names"""
    size: str
    """what its sizes are called: a regular expression; its last number is the width in channels"""
    parameters: Callable[..., int]
    """parameters of its network, about, from the numbers of a size; for the memory of jobs"""
    divisors: tuple[str, ...] = ()
    """keys of `family` by which the width must be divisible"""
    levels: str | None = None
    """key of `family` with an entry a level, if each level after the first halves the latents"""
    students: bool = False
    """whether its module has `told` and `discriminator`, which distillation needs"""
    superres: bool = False
    """whether its module has `conditioned`, which super-resolution needs"""
    bias: bool = False
    """whether its module has `bottleneck`, which distribution guidance needs"""


UNET = "unet"
ARCHITECTURES = {
    own.name: own
    for own in (
        Architecture(
            UNET,
            "UNet2DConditionModel",
            r"c[1-9]\d*",
            lambda width: 8500 * width**2,  # as the paper's family
            ("norm_groups", "heads"),
            "channel_multipliers",
            students=True,
            superres=True,
            bias=True,
        ),
    )
}
