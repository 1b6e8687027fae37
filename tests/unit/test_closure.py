"""The source files of a command, on a planted package and against what Python imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ldm_scaling.workflow.closure import ABOVE, _statements, _within, closure, docstring

IMPORTS = (ast.Import, ast.ImportFrom)
PLANTED = {
    "__init__": "",
    "draw/__init__": '"""Figures."""',
    "draw/first": "from ..tables import near\nimport pandas",
    "draw/second": "from . import first as other",
    "draw/apart": '"""Draw by itself.\n\nMore:\nimport is a word, too.\n"""\n'
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..tables import far\n",
    "tables/__init__": "",
    "tables/near": "def command():\n    import planted.tables.further\n",
    "tables/further": "from planted.tables.far import fact",
    "tables/far": "from .near import (  # (once)\n    command,\n)\nfact = 1",
    "find": "import importlib\n\ndef find(name):\n"
    "    return importlib.import_module(f'{__package__}.shapes.{name}')\n",
    "shapes/__init__": "",
    "shapes/round": "from ..draw import apart",
    "shapes/square": "",
}


@pytest.fixture
def planted(tmp_path):
    for name, text in PLANTED.items():
        path = tmp_path / "planted" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(planted, *modules):
    paths = closure(*(f"planted.{name}" for name in modules), above=planted)
    return {path.removeprefix(f"{planted}/planted/").removesuffix(".py") for path in paths}


def test_all_that_is_imported_counts_also_within_a_function_and_in_a_circle(planted):
    tables = {"tables/__init__", "tables/near", "tables/further", "tables/far"}
    first = {"__init__", "draw/__init__", "draw/first", *tables}
    assert names(planted, "draw.first") == first
    assert names(planted, "draw.second") == {*first, "draw/second"}
    assert names(planted, "tables.far", "draw.apart") == first - {"draw/first"} | {"draw/apart"}


def test_all_modules_count_of_a_package_in_which_one_is_found_by_name(planted):
    shapes = {"shapes/__init__", "shapes/round", "shapes/square"}
    apart = {"draw/__init__", "draw/apart"}
    assert names(planted, "find") == {"__init__", "find", *shapes, *apart}


def test_what_only_a_type_checker_imports_does_not_count(planted):
    assert names(planted, "draw.apart") == {"__init__", "draw/__init__", "draw/apart"}


def test_an_unknown_module_is_an_error(planted):
    with pytest.raises(ValueError, match=r"planted\.draw\.missing is no module"):
        closure("planted.draw.missing", above=planted)


def test_a_docstrings_first_line(planted):
    assert docstring("planted.draw.apart", planted) == "Draw by itself."


def test_paths_are_relative_where_the_package_is_below(planted, monkeypatch):
    absolute = closure("planted.draw.apart", above=planted)
    monkeypatch.chdir(planted)
    relative = closure("planted.draw.apart", above=planted)
    assert [f"{planted}/{path}" for path in relative] == absolute


def test_no_import_of_the_package_is_overlooked():
    for path in (ABOVE / "ldm_scaling").rglob("*.py"):
        text = path.read_text()
        whole = [node for node in _within(ast.parse(text)) if isinstance(node, IMPORTS)]
        found = {ast.unparse(node) for node in _statements(text)}
        assert {ast.unparse(node) for node in whole} <= found, path


@pytest.mark.parametrize("module", ["claims.decide", "figures.stitch_vs_cost", "cells.floors"])
def test_python_imports_nothing_that_is_not_in_it(module):
    code = f"import sys, ldm_scaling.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = {name.replace(".", "/") for name in done.stdout.split() if "ldm_scaling." in name}
    found = {str(Path(path).resolve()) for path in closure(f"ldm_scaling.{module}")}
    for name in own:
        assert {f"{ABOVE}/{name}.py", f"{ABOVE}/{name}/__init__.py"} & found, name
