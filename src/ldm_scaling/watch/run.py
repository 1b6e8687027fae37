"""A run as Snakemake's log records tell it: jobs that run, that ended, that failed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..jobs.progress import Reading, last_reading
from ..plan.ahead import Ahead
from .outlook import Seen, expected, makespan

TAIL = 4096
"""bytes at the end of a log that are read"""


@dataclass(frozen=True)
class Running:
    """A job that runs."""

    rule: str
    name: str
    """rule and wildcards"""
    outputs: tuple[str, ...]
    log: Path | None
    began: float
    """seconds since the epoch"""

    def reading(self, now: float) -> Reading | None:
        """How far it is by its log, with the seconds that are left now."""
        if self.log is None or not self.log.exists():
            return None
        written = self.log.stat().st_mtime
        reading = last_reading(tail(self.log)) if written >= self.began else None
        if reading is None:
            return None
        left = max(reading.left - (now - written), 0)
        return replace(reading, left=left)


@dataclass(frozen=True)
class Failed:
    """A job that failed."""

    name: str
    error: str
    """one line"""
    log: Path | None


@dataclass
class Run:
    """What is known of a run."""

    began: float
    """seconds since the epoch"""
    cores: int = 1
    total: int = 0
    """jobs"""
    done: int = 0
    running: dict[int, Running] = field(default_factory=dict)
    """by Snakemake's numbers of the jobs"""
    failed: list[Failed] = field(default_factory=list)
    interrupted: bool = False
    """whether a user has stopped it, and so its jobs"""
    ahead: dict[str, Ahead] = field(default_factory=dict)
    """all jobs with their FLOPs, by their first outputs; empty until somebody has counted them"""
    _begun: set[str] = field(default_factory=set)
    _ended: list[tuple[Running, float]] = field(default_factory=list)

    def start(self, number: int, job: Running) -> None:
        """Job `number` starts."""
        self.running[number] = job
        self._begun.update(job.outputs[:1])

    def finish(self, number: int, now: float) -> None:
        """Job `number` is done."""
        self.done += 1
        if job := self.running.pop(number, None):
            self._ended.append((job, _whole(job, job.reading(now), now)))

    def fail(self, number: int, rule: str, log: Path | None) -> None:
        """Job `number` has failed."""
        job = self.running.pop(number, None)
        self.failed.append(Failed(job.name if job else rule, error_of(log), log))

    def _flops(self, job: Running) -> float:
        priced = self.ahead.get(job.outputs[0]) if job.outputs else None
        return priced.flops if priced else 0

    def left(self, now: float) -> float | None:
        """Seconds until the run is done; None if nobody can tell yet."""
        if not self.ahead:
            return None
        readings = {number: job.reading(now) for number, job in self.running.items()}
        seen = [Seen(job.rule, self._flops(job), seconds) for job, seconds in self._ended]
        seen += [
            Seen(job.rule, self._flops(job), _whole(job, reading, now))
            for number, job in self.running.items()
            if (reading := readings[number])
        ]
        running, waiting = [], []
        for number, job in self.running.items():
            flops, reading = self._flops(job), readings[number]
            seconds = reading.left if reading else expected(job.rule, flops, seen)
            if seconds is None:
                return None
            if not reading:
                seconds = max(seconds - (now - job.began), 0)
            running.append((Ahead(job.rule, frozenset(), job.outputs, flops, True), seconds))
        for output, job in self.ahead.items():
            if job.due and output not in self._begun:
                seconds = expected(job.rule, job.flops, seen)
                if seconds is None:
                    return None
                waiting.append((job, seconds))
        return makespan(running, waiting, self.cores)


def _whole(job: Running, reading: Reading | None, now: float) -> float:
    """Seconds that all of a job takes: it may have continued, and may have several parts."""
    here = now - job.began
    return max(here + reading.left, reading.whole) if reading else here


def tail(log: Path) -> str:
    """The last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - TAIL, 0))
        return file.read().decode(errors="replace").replace("\r", "\n")


def error_of(log: Path | None) -> str:
    """Why a job failed, on one line: the last error in its log, or else its last line."""
    lines = tail(log).split("\n") if log and log.exists() else []
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1]
    if not lines or last_reading(lines[-1]):
        return "error: its log has none; perhaps the system stopped it for lack of memory"
    return lines[-1]
