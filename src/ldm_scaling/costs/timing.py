"""How calls of networks are timed, and what a job is given to time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

Call = Callable[[], object]
"""a call of a network with all that it is given"""
Denoising = Callable[[int], Call]
"""a network, to be called for so many images"""
TEXT_ENCODER, AUTOENCODER, UNET = "text_encoder", "autoencoder", "unet"
OUT_OF_MEMORY, UNKNOWN = "out of memory", "unknown architecture"
"""status of what was not timed"""
WARM_UP = 3


class Part(NamedTuple):
    """A network of an image."""

    component: str
    size: str | None
    """whose it is; None: of all sizes"""
    make: Callable[[], Call | None]
    """a function that makes the network, and returns None if its architecture is unknown"""
    times: int = 1
    """calls of an image"""


def timed(call: Call, repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of the repeats of a call that computes on a device, after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]
