"""Downloads are tried again after pauses. A try that made progress does not count."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

PAUSES = (5, 15, 45)
"""seconds between tries"""

Result = TypeVar("Result")


class Failure(Exception):
    """A try that failed for a temporary reason. The message is the reason, on one line."""

    def __init__(self, reason: str, progress: bool = False):
        super().__init__(reason)
        self.progress = progress


def persist(attempt: Callable[[], Result]) -> Result:
    """Call `attempt()` until it succeeds, and return its result.

    Raises the last Failure when one try more than there are PAUSES made no progress.
    """
    tries, number = len(PAUSES) + 1, 1
    while True:
        try:
            return attempt()
        except Failure as failure:
            number = 1 if failure.progress else number
            if number == tries:
                raise
            pause = PAUSES[number - 1]
            say(f"failed: {failure}; try {number + 1} of {tries} in {pause} s")
            time.sleep(pause)
            number += 1


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
