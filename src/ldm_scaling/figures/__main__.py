"""Draw a figure: python -m ldm_scaling.figures NAME. NAME --help says what the figure takes.

NAME is a module of this package with a function `draw`, which returns the figure. It is imported by
its name, so that a new figure changes no source of another one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from ..jobs.cli import InputError, parser, run
from ..jobs.command import add_options, call
from . import style

_PROGRAM = f"python -m {__package__}"


def main() -> None:
    """Command line."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name.startswith("-"):
        arguments = parser(__doc__)
        arguments.prog = _PROGRAM
        arguments.add_argument("name", metavar="NAME", help="the figure")
        arguments.parse_args([name, *rest])
    module = _figure(name)
    arguments = parser(module.__doc__ or "")
    arguments.prog = f"{_PROGRAM} {name}"
    add_options(arguments, module.draw)
    for kind in ("pdf", "png"):
        arguments.add_argument(f"--{kind}", required=True, type=Path, help="file to write")
    options = arguments.parse_args(rest)
    style.save(call(module.draw, options), options.pdf, options.png)


def _figure(name: str) -> ModuleType:
    """The module of a figure. Raises InputError if there is none of that name."""
    if name.isidentifier() and find_spec(f"{__package__}.{name}"):
        module = import_module(f"{__package__}.{name}")
        if hasattr(module, "draw"):
            return module
    raise InputError(f"there is no figure {name}: docs/extend.md says how to add one")


if __name__ == "__main__":
    run(main)
