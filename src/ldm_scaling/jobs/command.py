"""Commands made of functions: a parameter's annotation says where its value comes from.

    def draw(cells: Annotated[Values, Read(read_cells)], confidence: Annotated[float, Option(...)])

An `Option` is an argument of the command line. `Read` is what another function returns, whose
parameters are annotated in the same way. Names are those of the parameters.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any, get_type_hints

from ..study.fields import Strict
from .cli import parse_spec, parser, run
from .tables import read_table


@dataclass(frozen=True)
class Option:
    """One argument of a command."""

    help: str
    parse: Callable[[str], Any] = str
    nargs: int | str | None = None
    """values at a time, as argparse has it"""
    names: tuple[str, ...] | None = None
    """of these values"""
    repeated: bool = False
    read: Callable[[Any], Any] | None = None
    """what makes the parameter of what was parsed"""


@dataclass(frozen=True)
class Read:
    """What a function returns."""

    function: Callable[..., Any]


def csv(help: str, columns: list[str]) -> Option:
    """A table of these columns."""
    return Option(help, Path, read=partial(read_table, columns=columns))


def json_of(kind: type[Strict]) -> Option:
    """A spec, from its JSON."""
    help = f"JSON of {kind.__name__}, or @FILE: everything that decides the result"
    return Option(help, partial(parse_spec, kind))


def command(function: Callable[..., None]) -> Callable[[], None]:
    """The command line of a function, which runs where its module is run: it stands last there.

    The docstring of the module is what `--help` prints.
    """

    @wraps(function)
    def main() -> None:
        arguments = parser(function.__globals__["__doc__"])
        add_options(arguments, function)
        call(function, arguments.parse_args())

    if function.__module__ == "__main__":
        run(main)
    return main


def add_options(to: ArgumentParser, function: Callable[..., Any]) -> None:
    """Add an argument for each option of a function and of all that its parameters are read by.

    Those of parameters with a default may be left out.
    """
    parameters = signature(function).parameters
    for name, option in _options(function).items():
        own = parameters.get(name)
        to.add_argument(
            f"--{name.replace('_', '-')}",
            required=own is None or own.default is own.empty,
            type=option.parse,
            nargs=option.nargs,
            metavar=option.names,
            action="append" if option.repeated else "store",
            help=option.help,
        )


def call(function: Callable[..., Any], given: Namespace) -> Any:
    """Call a function with what the arguments of `add_options` gave."""
    values = {}
    for name, source in _sources(function).items():
        if isinstance(source, Read):
            values[name] = call(source.function, given)
        else:
            value = getattr(given, name)
            values[name] = source.read(value) if source.read and value is not None else value
    return function(**values)


def _options(function: Callable[..., Any]) -> dict[str, Option]:
    found: dict[str, Option] = {}
    for name, source in _sources(function).items():
        found |= _options(source.function) if isinstance(source, Read) else {name: source}
    return found


def _sources(function: Callable[..., Any]) -> dict[str, Option | Read]:
    hints = get_type_hints(function, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if name != "return"}
