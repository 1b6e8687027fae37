"""One run of the smoke study for all tests of this folder."""

import pytest
from project import SMOKE, Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The smoke study after an undisturbed run."""
    project = Project(tmp_path_factory.mktemp("e2e") / "undisturbed")
    project.snakemake(*SMOKE)
    return project
