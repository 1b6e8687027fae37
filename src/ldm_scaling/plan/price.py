"""What a job costs, and the sums that several prices share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..latents.autoencoder import DECODED
from .devices import BFLOAT16, FLOAT32, TF32
from .known import Known

GUIDED = 2
"""forward passes of a guided prediction"""
WEIGHT = 4
"""bytes of a number in float32, which weights are kept in"""
ENCODED = 2
"""bytes of a number in bfloat16, in which frozen encoders of training data are on a GPU"""
STATE = 5
"""numbers of each weight in a training: itself, its gradient, AdamW's two moments, its average"""
UNET, ENCODING, TEXT_ENCODER = "U-Net", "encoding", "text encoder"
DECODING, HALF_DECODING = "decoding", "decoding in 16 bits"
SCORE = "score of noise"
DENOISING, CAPTIONS = "denoising in float32", "captions"
ARITHMETIC: dict[str, str] = {
    **dict.fromkeys((UNET, ENCODING, TEXT_ENCODER, HALF_DECODING), BFLOAT16),
    **dict.fromkeys(("CLIP score", CAPTIONS, "maps", DENOISING), FLOAT32),
}
"""of the parts of a price, on a GPU; all others are convolutions of float32 numbers, which PyTorch
computes in TF32 by default, unlike matrix products"""


@dataclass(frozen=True)
class Price:
    """What a job costs."""

    flops_of: dict[str, float] = field(default_factory=dict)
    """FLOPs of each of its parts; nan where they are unknown"""
    bytes: float = 0
    """that it leaves: its outputs, and its state in work/ at most"""
    gpu_bytes: float = math.nan
    """peak memory of one of its GPUs; nan where nobody has estimated it"""
    epochs: float = math.nan
    """how often a training sees its data"""

    @property
    def flops(self) -> float:
        """FLOPs of the parts that are known."""
        return sum(self.flops_in.values())

    @property
    def flops_in(self) -> dict[str, float]:
        """The same, by what they are computed in."""
        found: dict[str, float] = {}
        for part, flops in self.flops_of.items():
            kind = ARITHMETIC.get(part, TF32)
            found[kind] = found.get(kind, 0) + (0 if math.isnan(flops) else flops)
        return found

    @property
    def uncounted(self) -> list[str]:
        """What is not in `flops` and `bytes`."""
        parts = [part for part, value in self.flops_of.items() if math.isnan(value)]
        return parts + ["disk"] * math.isnan(self.bytes)


def whole_batches(images: int, batch: int) -> int:
    """Images that a training sees: its last batch is full."""
    return math.ceil(images / batch) * batch


def state_bytes(weights: float, kept: float = 0) -> float:
    """Bytes of a training's two newest states, of so many of weights and of kept ones.

    Weights, their average, two moments of AdamW, and what was kept.
    """
    return 2 * (4 * weights + kept)


def encoding_bytes(known: Known, images: int) -> float:
    """Memory that the autoencoder takes to encode so many images at a time."""
    chunk = max(1, 64 * DECODED // known.family.image_size**2)
    networks = known.networks
    activations = networks.encode_bytes * ENCODED / WEIGHT  # they were measured in float32
    return ENCODED * networks.autoencoder_params + min(images, chunk) * activations


def decoding_bytes(known: Known, images: int) -> float:
    """Memory that the autoencoder takes to decode so many images at a time."""
    _, height, width = known.family.latent_shape
    chunk = max(1, DECODED // (height * width))
    networks = known.networks
    return WEIGHT * networks.autoencoder_params + min(images, chunk) * networks.decode_bytes
