"""The structure of the package: what may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ldm_scaling

PACKAGE = Path(ldm_scaling.__file__).parent
ROOMS = [
    *("kinds", "study", "workflow", "jobs", "data", "training", "latents", "diffusion", "models"),
    *("cells", "costs", "tables", "plan", "watch", "claims", "figures", "explorer", "answer"),
]
"""each imports only from rooms that stand before it"""
TORCH_FREE = ["kinds", "study", "workflow", "watch"]


def modules() -> dict[str, Path]:
    """Dotted name below the package -> file."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
    }


def imported(name: str, path: Path) -> set[str]:
    """The modules of the package that a module imports, anywhere in it, by `from`."""
    known, found = modules(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("ldm_scaling") for alias in node.names), path
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = name.split(".")[: -node.level]
        elif (node.module or "").split(".")[0] == "ldm_scaling":
            base = []
        else:
            continue
        parts = [*base, *(node.module or "").removeprefix("ldm_scaling").strip(".").split(".")]
        source = ".".join(part for part in parts if part)
        for alias in node.names:
            inner = f"{source}.{alias.name}".strip(".")
            found.add(inner if inner in known else source)
    return found & set(known)


GRAPH = {name: imported(name, path) for name, path in modules().items()}


def test_every_module_is_in_a_room():
    rooms = {name.split(".")[0] for name in GRAPH} - {"__init__"}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    upward = {
        (name, target)
        for name, targets in GRAPH.items()
        for target in targets
        if name.split(".")[0] == room and target.split(".")[0] not in allowed
    }
    assert not upward


def test_no_modules_import_each_other():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("room", TORCH_FREE)
def test_rooms_that_the_workflow_reads_import_no_torch(room):
    own = [f"ldm_scaling.{name}" for name in GRAPH if name.startswith(f"{room}.")]
    names = ", ".join(name.removesuffix(".__init__") for name in own)
    check = f"import sys, {names}; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
