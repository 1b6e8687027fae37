"""From Snakemake's log records to what a user sees, on a terminal or in a log."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import threading
import time
from logging import WARNING, LogRecord
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ..plan.ahead import from_json
from ..plan.dag import Job
from .run import Run, Running
from .view import ending, failure, line, screen

REFRESH = 2
"""seconds between two looks of the terminal's view"""
LINE = 60
"""seconds between two lines in a log"""
CTRL_C = "Terminating processes on user request"
"""the beginning of what Snakemake says after Ctrl-C, which its jobs hear, too"""
PASSED_ON = ("Nothing to be done", "Will exit after")
"""beginnings of what Snakemake says by the way and a user must see"""
SAID_AT_THE_END = ("Exiting because a job", "WorkflowError:\nAt least one job did not complete")
"""beginnings of errors that only say that jobs have failed"""


class _Console(Console):
    """A console whose cursor is still there after `kill -9`."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Listener:
    """Follows one run of Snakemake by its log records."""

    def __init__(self, ahead: str | None):
        """`ahead` is a command that prints the jobs with their FLOPs, as `plan.ahead` does."""
        self._run, self._command = Run(time.time()), ahead
        self._console = _Console(
            stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        terminal = sys.stderr.isatty() and not self._console.is_dumb_terminal
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._period = REFRESH if terminal else LINE
        self._lock, self._ended = threading.RLock(), threading.Event()
        self._counting: subprocess.Popen[str] | None = None
        if terminal:
            self._live.start()
            self._live.update("looking for what is to be done", refresh=True)

    def hear(self, record: LogRecord) -> None:
        """Take in a record, and print what it says to a user."""
        event, said = getattr(record, "event", None), record.__dict__
        message, now = record.getMessage(), time.time()
        with self._lock:
            run = self._run
            if event == "resources_info":
                run.cores = said.get("cores", run.cores)
            elif event == "run_info":
                self._begin(said["stats"]["total"])
            elif event == "job_info":
                run.start(said["jobid"], _running(said, now))
            elif event == "job_finished":
                run.finish(said["job_id"], now)
            elif event == "job_error":
                run.fail(said["jobid"], said["rule_name"], _first(said["log"]))
                if run.running:
                    self._print(failure(run.failed[-1]))
                    self._print("No other job starts. Those that run go on to their end.")
            elif message.startswith(CTRL_C):
                run.interrupted = True
            elif said.get("exception") == "RuleException":
                pass  # the job's error follows
            elif message.startswith(PASSED_ON) or (
                record.levelno >= WARNING and not message.startswith(SAID_AT_THE_END)
            ):
                self._print(message)
            if self._live.is_started and run.total:
                self._show()

    def end(self) -> None:
        """Stop, and say how the run ended. The second call does nothing."""
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            if self._counting:
                self._counting.kill()
            self._live.stop()
            if self._run.total:
                self._print(ending(self._run, time.time()))

    def _begin(self, total: int) -> None:
        if self._run.total:
            return
        self._run.total = total
        self._print(f"jobs to do: {total}")
        threading.Thread(target=self._tick, daemon=True).start()
        if self._command:
            self._counting = subprocess.Popen(
                shlex.split(self._command),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            threading.Thread(target=self._count, args=(self._counting,), daemon=True).start()

    def _tick(self) -> None:
        while not self._ended.wait(self._period):
            with self._lock:
                self._show()

    def _count(self, process: subprocess.Popen[str]) -> None:
        printed = process.communicate()[0]
        with contextlib.suppress(ValueError), self._lock:  # the run goes on without a time left
            self._run.ahead = {job.outputs[0]: job for job in from_json(printed)}

    def _show(self) -> None:
        if self._ended.is_set():
            return
        if self._live.is_started:
            self._live.update(screen(self._run, time.time()), refresh=True)
        else:
            self._print(f"{time.strftime('%H:%M')} {line(self._run, time.time())}")

    def _print(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._console.print(text)


def _running(said: dict, now: float) -> Running:
    name = f"{said['rule_name']} {Job(said['rule_name'], said['wildcards']).name}".strip()
    return Running(said["rule_name"], name, tuple(said["output"]), _first(said["log"]), now)


def _first(paths: list[str]) -> Path | None:
    return Path(os.fspath(paths[0])) if paths else None
