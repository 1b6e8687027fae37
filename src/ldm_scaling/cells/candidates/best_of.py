"""Best of N: candidates from independent noise (random search of Ma et al., arXiv 2501.09732)."""

from __future__ import annotations

from collections.abc import Iterator

from .attempt import Attempt, Looked


def candidates(attempt: Attempt, count: int) -> Iterator[Looked]:
    """One candidate of each prompt after the other; the first is the image of the cell."""
    for number in range(count):
        images = attempt.sample(attempt.noise(number), attempt.generators(number))
        yield attempt.look(*images)
