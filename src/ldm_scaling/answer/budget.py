"""What a user may spend on an image, in any unit, as a limit on a column of costs."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

GUIDED, TOTAL, SECONDS, MEMORY = "guided_cost", "total_cost", "seconds", "memory_gb"
_PREFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*"


@dataclass(frozen=True)
class Budget:
    """A limit on what an image costs."""

    text: str
    """as the user wrote it"""
    axis: str
    """the column of costs"""
    amount: float
    """in FLOP along `TOTAL`, else in the column's unit"""

    def limit(self, reference_flops: float) -> float:
        """The same in the column's unit, where the reference's forward pass has so many FLOP."""
        return self.amount / reference_flops if self.axis == TOTAL else self.amount

    def shown(self, cost: float, reference_flops: float) -> str:
        """A cost of the column in the budget's unit."""
        if self.axis == TOTAL:
            return f"{cost * reference_flops / 1e9:.3g} GFLOP"
        return f"{cost:.3g} s" if self.axis == SECONDS else f"{cost:.3g}"

    def unit(self, reference: str) -> str:
        """Its unit in words; `reference` is the model whose forward pass costs 1."""
        return {
            GUIDED: f"forward passes of {reference}, two for a guided step of its size",
            TOTAL: "all arithmetic of an image, with decoder and text encoder",
            SECONDS: "seconds of an image on the machine of the study, beside its other jobs",
        }[self.axis]


def passes(amount: float) -> Budget:
    """So many forward passes of the reference model."""
    return Budget(f"{amount:g}", GUIDED, amount)


def budget(text: str) -> Budget:
    """An argument type: 2 (forward passes of the reference), 0.05s, 50ms, 1.5TFLOP."""
    units = {"": GUIDED, "s": SECONDS, "FLOP": TOTAL, "FLOPs": TOTAL}
    found = re.fullmatch(rf"{_NUMBER}([mkMGTP]?)(s|FLOPs?)?", text)
    number, prefix, unit = found.groups(default="") if found else ("0", "", "")
    if not float(number) or (prefix and (unit == "" or (unit == "s") != (prefix == "m"))):
        raise argparse.ArgumentTypeError(
            f"{text} is no budget; write 2 (forward passes of the reference model), 0.05s or"
            " 1.5TFLOP"
        )
    return Budget(text, units[unit], float(number) * _PREFIXES[prefix])


def gigabytes(text: str) -> float:
    """An argument type: 8GB, or 8."""
    found = re.fullmatch(rf"{_NUMBER}(GB)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no memory; write 8GB")
    return float(found[1])
