"""The project that dry runs are of."""

from __future__ import annotations

import pytest
from project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy without results, for the tests of one file."""
    return Project(tmp_path_factory.mktemp("workflow") / "project")
