"""A slice of time that ends after a number of steps, so that tests can interrupt a job anywhere."""

from __future__ import annotations

from ldm_scaling.jobs.cli import Slice


class StopsAfter(Slice):
    """A slice that ends when it has been asked so many times."""

    def __init__(self, steps: int):
        super().__init__(None)
        self._left = steps

    def ended(self) -> bool:
        self._left -= 1
        return self._left <= 0
