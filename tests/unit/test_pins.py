"""The versions agree wherever they are written, and no file names a registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.7"}


def pins() -> dict[str, str]:
    """Name -> exact version of requirements.txt, as Python 3.11 installs it."""
    result = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(PYTHON):
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", line
            result[canonicalize_name(requirement.name)] = specifier.version
    return result


def direct(group: str = "") -> list[Requirement]:
    """The dependencies of pyproject.toml, or of an optional group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][group] if group else project["dependencies"]
    return [Requirement(line) for line in lines]


def test_environment_has_the_direct_dependencies_at_the_pinned_versions():
    environment = yaml.safe_load((ROOT / "envs" / "ldm-scaling.yaml").read_text())
    conda, (pip,) = environment["dependencies"][:-1], environment["dependencies"][-1].values()
    found = {}
    for line in pip:
        requirement = Requirement(line)
        found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    expected = {
        canonicalize_name(r.name): f"=={pins()[canonicalize_name(r.name)]}" for r in direct()
    }
    assert found == expected
    assert conda == ["python=3.11", "pip"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("requirement", [*direct(), *direct("dev")], ids=str)
def test_every_dependency_is_pinned_at_an_allowed_version(requirement):
    version = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


def test_torch_and_torchvision_are_a_pair():
    torch, vision = (pins()[name].split(".") for name in ("torch", "torchvision"))
    assert torch[0] == "2"
    assert int(vision[1]) == int(torch[1]) + 15, "torchvision 0.(x + 15) belongs to torch 2.x"


@pytest.mark.parametrize(
    "path",
    [
        "requirements.txt",
        "envs/ldm-scaling.yaml",
        "src/ldm_scaling/data/npm/package-lock.json",
        "src/ldm_scaling/data/npm/.npmrc",
    ],
)
def test_no_download_address(path):
    text = (ROOT / path).read_text()
    text = re.sub(r'"funding": \{[^}]*\}', "", text)  # where to thank the author
    assert not re.findall(r"\w+://|index-url|\bregistry\s*=|\"resolved\"", text)
