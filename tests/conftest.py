"""Fixtures that tests of every kind share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling

from ldm_scaling.jobs.cli import run

ROOT = Path(__file__).parents[1]
FOLDERS = ("e2e", "slurm", "workflow", "cli", "unit")
"""folders of tests, the longest first"""
TOGETHER = ("e2e", "slurm")
"""folders whose tests share one run of a study"""
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many tests as processors run at a time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: FOLDERS.index(item.path.parent.name))


class _Together(LoadScopeScheduling):
    """Give one worker all tests that share a run or a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return file.parent.name if file.parent.name in TOGETHER else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Together:
    """Scheduler for pytest-xdist, whose own groups lose their names with pytest 9.2."""
    return _Together(config, log)


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
