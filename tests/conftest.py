"""Fixtures that tests of every kind share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ldm_scaling.jobs.cli import run

ROOT = Path(__file__).parents[1]


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
