"""The source files that a command runs: its modules, and what they import of their package.

Rules that take seconds have them as inputs, so that an edit makes again what it can change.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .paths import inputs_of

PACKAGE = "ldm_scaling"
ABOVE = Path(__file__).parents[2]
"""the folder that has the package"""
_BY_NAME = re.compile(r"""f['"]\{__package__\}\.(\w+)\.\{""")
"""how code writes the name of a module that it finds by name, in a package of its own"""
# texts are searched rather than parsed: parsing 300 modules takes a second of each dry run
_FOR_TYPES = re.compile(r"^( *)if TYPE_CHECKING:\n(?:\1 .*\n|\n)*", re.MULTILINE)
_IMPORT = re.compile(r"^ *(?:from \S+ import (?:\([^)]*\)|.+)|import .+)", re.MULTILINE)
_FIRST_LINE = re.compile(r'\s*"""(.*?)(?:"""|$)', re.MULTILINE)


def closure(*modules: str, above: Path = ABOVE) -> list[str]:
    """Paths of the modules and of all that they import of their package, sorted.

    An import within a function counts, one for type checkers does not. If modules of a
    package are found by name, as samplers are, all of them count. Paths are relative to the working
    directory if the package lies below it. Raises ValueError for an unknown module.
    """
    return inputs_of(_files(modules, above))


@cache
def _files(modules: tuple[str, ...], above: Path) -> list[Path]:
    found: set[str] = set()
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        queue += _imports(name, above)
    return sorted(_file(name, above) for name in found)


def docstring(module: str, above: Path = ABOVE) -> str:
    """The first line of a module's docstring."""
    found = _FIRST_LINE.match(_text(module, above))
    return found[1] if found else ""


@cache
def _is_module(name: str, above: Path) -> bool:
    path = above.joinpath(*name.split("."))
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()


def _file(name: str, above: Path) -> Path:
    if not _is_module(name, above):
        raise ValueError(f"{name} is no module below {above}")
    path = above.joinpath(*name.split("."))
    package = path / "__init__.py"
    return package if package.is_file() else path.with_suffix(".py")


@cache
def _text(name: str, above: Path) -> str:
    return _file(name, above).read_text(encoding="utf-8")


@cache
def _imports(name: str, above: Path) -> list[str]:
    """Modules that one imports of its own package, with the packages that they lie in."""
    package = name if _file(name, above).name == "__init__.py" else name.rpartition(".")[0]
    found = {name.rpartition(".")[0]}
    for node in _statements(_text(name, above)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(parts if node.level else []), *filter(None, [node.module])])
            members = {f"{base}.{alias.name}" for alias in node.names}
            found |= {base, *(member for member in members if _is_module(member, above))}
    for folder in _BY_NAME.findall(_text(name, above)):
        files = above.joinpath(*package.split("."), folder).glob("[!_]*.py")
        found |= {f"{package}.{folder}.{file.stem}" for file in files}
    top = name.partition(".")[0]
    return [own for own in found if own.partition(".")[0] == top and _is_module(own, above)]


def _statements(text: str) -> Iterator[ast.AST]:
    """The import statements of a text, within functions too, and perhaps some others."""
    for found in _IMPORT.findall(_FOR_TYPES.sub("", text)):
        try:
            yield from ast.parse(textwrap.dedent(found)).body
        except SyntaxError:
            # a bracket in a comment, a line that goes on, or prose
            if found.lstrip().startswith("from") or found.endswith("\\"):
                yield from _within(ast.parse(text))
                return


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """All statements within a node, but those that only a type checker sees."""
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for inner in getattr(node, block, []):
            yield inner
            if not (isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)):
                yield from _within(inner)
