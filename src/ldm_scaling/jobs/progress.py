"""The line in a job's log that says how far it is: how it is written and read back."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"(?P<label>.+): (?P<done>\d+)/(?P<total>\d+) \(\d+ %\), "
    r"(?P<rate>\S+)/s, (?P<left>\d+) s left(?:, (?P<note>.*))?"
)


@dataclass(frozen=True)
class Reading:
    """How far a job, or one of its parts, is."""

    label: str
    done: int
    total: int
    rate: float
    """units a second, since the job started or continued"""
    left: float
    """seconds"""
    note: str = ""

    def __str__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return (
            f"{self.label}: {self.done}/{self.total} ({100 * self.done // self.total} %), "
            f"{self.rate:.3g}/s, {self.left:.0f} s left{note}"
        )

    @property
    def share(self) -> float:
        """The part that is done, between 0 and 1."""
        return self.done / self.total

    @property
    def whole(self) -> float:
        """Seconds that all of it takes at this rate, also where it continued an earlier start."""
        return self.total / self.rate if self.rate else self.left


def last_reading(text: str) -> Reading | None:
    """The last line of progress in a log, or None."""
    for line in reversed(text.splitlines()):
        if found := _LINE.fullmatch(line):
            return Reading(
                found["label"],
                int(found["done"]),
                int(found["total"]),
                float(found["rate"]),
                float(found["left"]),
                found["note"] or "",
            )
    return None
