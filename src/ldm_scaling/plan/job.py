"""One job of a study, with what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """One job of the study."""

    rule: str
    output: str
    """the file that it writes last"""
    flops_of: dict[str, float] = field(default_factory=dict)
    """FLOPs of each of its parts; nan where they are unknown"""
    bytes: float = 0
    """that it leaves: its outputs, and its state in work/ at most"""
    name: str = ""
    """what tells it from the other jobs of its rule"""

    @property
    def flops(self) -> float:
        """FLOPs of the parts that are known."""
        return sum(value for value in self.flops_of.values() if not math.isnan(value))

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
