"""The time that is left of a run: FLOPs that are ahead, and the speed of the jobs seen so far."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..plan.ahead import Ahead


@dataclass(frozen=True)
class Seen:
    """How long a job takes that has ended, or that says how far it is."""

    rule: str
    flops: float
    seconds: float


def expected(rule: str, flops: float, seen: Sequence[Seen]) -> float | None:
    """Seconds of a job, or None if no job that says so was seen.

    It runs at the speed of the job of its rule, or else of any rule, whose FLOPs are the most
    similar: small networks reach fewer FLOP/s than large ones. A job without FLOPs takes the mean
    of the others without, those of its rule if there are any.
    """
    alike = [job for job in seen if (job.flops > 0) == (flops > 0)]
    alike = [job for job in alike if job.rule == rule] or alike
    if not flops:
        return sum(job.seconds for job in alike) / max(len(alike), 1)
    if not alike:
        return None
    nearest = min(alike, key=lambda job: abs(math.log(job.flops / flops)))
    return nearest.seconds * flops / nearest.flops


def makespan(
    running: Sequence[tuple[Ahead, float]], waiting: Sequence[tuple[Ahead, float]], cores: int
) -> float:
    """Seconds until all jobs are done, each given with the seconds that it still takes.

    A free core takes the longest job whose inputs are there, as the workflow's priorities do.
    """
    missing = {path for job, _ in [*running, *waiting] for path in job.outputs}
    ends = [(seconds, number) for number, (_, seconds) in enumerate(running)]
    heapq.heapify(ends)
    started, now = [job for job, _ in running], 0.0
    queue = sorted(waiting, key=lambda item: -item[1])
    while True:
        later = []
        for job, seconds in queue:
            if len(ends) < cores and missing.isdisjoint(job.inputs):
                heapq.heappush(ends, (now + seconds, len(started)))
                started.append(job)
            else:
                later.append((job, seconds))
        queue = later
        if not ends:
            return now
        now, number = heapq.heappop(ends)
        missing.difference_update(started[number].outputs)
