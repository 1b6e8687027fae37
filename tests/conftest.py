"""Fixtures that tests of every kind share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ready
import yaml
from xdist.scheduler import LoadFileScheduling

from ldm_scaling.jobs.cli import run

ROOT = Path(__file__).parents[1]
ORDER = ("e2e/test_smoke.py", "slurm", "e2e", "workflow", "cli", "unit")
"""tests by folder or file, those that take longest first"""
TOGETHER = dict.fromkeys(
    ("tests/unit/test_networks.py", "tests/unit/test_plan_report.py"), "tests/unit/test_plan.py"
)
"""files, and those whose worker runs them: both have the same jobs and networks (plans.py)"""
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many tests as processors run at a time


def pytest_configure(config: pytest.Config) -> None:
    """Let workers, which begin after this, share the server of commands."""
    if config.getoption("numprocesses", None):
        ready.share()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT / "tests")
        return next(i for i, name in enumerate(ORDER) if path.is_relative_to(name))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than processors, since tests of Slurm and of make mostly wait."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """All tests of a file in one worker, as with `--dist loadfile`: they share what takes long."""
    return _Scheduling(config, log)


class _Scheduling(LoadFileScheduling):
    """Files that share what takes long are in one worker, too."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return TOGETHER.get(file, file)


@pytest.fixture
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Runs a module's `main` as a command; gives the status and the lines of errors."""

    def called(main: Callable[[], None], *arguments: object) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", [main.__module__, *map(str, arguments)])
        status = 0
        try:
            run(main)
        except SystemExit as stopped:
            status = stopped.code
        lines = capsys.readouterr().err.splitlines()
        return status, [line for line in lines if line.startswith(("error", "Traceback"))]

    return called


@pytest.fixture
def pocket_config() -> dict[str, Any]:
    """The pocket study's configuration; a fresh copy for every test."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture(autouse=True)
def _own_accelerator() -> Iterator[None]:
    """accelerate lets a process choose its precision once; a test here chooses for itself."""
    yield
    if state := sys.modules.get("accelerate.state"):
        state.AcceleratorState._reset_state(reset_partial_state=True)
