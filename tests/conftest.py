"""Fixtures that tests of every kind share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture
def pocket_config() -> dict[str, Any]:
    """The pocket study's configuration; a fresh copy for every test."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())
