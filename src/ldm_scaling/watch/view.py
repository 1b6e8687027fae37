"""How a run looks: lines for a log, and a table for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .run import Failed, Run, Running

BAR = 24
"""characters"""


def duration(seconds: float) -> str:
    """Seconds in words: 45 s, 12 min, 3 h 5 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def summary(run: Run, now: float) -> str:
    """The whole run, on one line."""
    left = run.left(now)
    ahead = "" if left is None else f", about {duration(left)} left"
    return f"{_done(run, now)}{ahead}"


def _done(run: Run, now: float) -> str:
    return f"{run.done} of {run.total} jobs done in {duration(now - run.began)}"


def line(run: Run, now: float) -> str:
    """The whole run and its jobs, on one line."""
    return "; ".join([summary(run, now), *(_of_job(job, now) for job in run.running.values())])


def _of_job(job: Running, now: float) -> str:
    if reading := job.reading(now):
        note = f", {reading.note}" if reading.note else ""
        return f"{job.name}: {reading.share:.0%}, {duration(reading.left)} left{note}"
    return f"{job.name}: for {duration(now - job.began)}"


def screen(run: Run, now: float) -> RenderableType:
    """The whole run on a line, and below it a line for each job that runs."""
    table = Table.grid(padding=(0, 2))
    for column in ("name", "bar", "share", "time", "note"):
        right = column in ("share", "time")
        table.add_column(justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for job in run.running.values():
        if reading := job.reading(now):
            bar = ProgressBar(reading.total, reading.done, width=BAR)
            share, left = f"{reading.share:.0%}", f"{duration(reading.left)} left"
            table.add_row(Text(job.name), bar, share, left, Text(reading.note, style="dim"))
        else:
            table.add_row(Text(job.name), "", "", f"for {duration(now - job.began)}")
    return Group(Text(summary(run, now), style="bold"), table)


def failure(job: Failed) -> str:
    """A job that failed: its error, and where its log is."""
    log = f"\n  log: {job.log}" if job.log else ""
    return f"failed: {job.name}\n  {job.error}{log}"


def ending(run: Run, now: float) -> str:
    """The last words of a run that had jobs to do."""
    if run.done >= run.total:
        return _done(run, now)
    failed = [] if run.interrupted else run.failed
    cure = "remove the cause, then give" if failed else "give"
    go_on = f"To go on, {cure} the same command again: what is done is not done again."
    return "\n".join([*map(failure, failed), f"stopped with {_done(run, now)}. {go_on}"])
