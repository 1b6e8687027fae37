"""Commands made of functions: a parameter's annotation says where its value comes from.

    def draw(cells: Annotated[Values, Read(read_cells)], steps: Annotated[int, "of the cells"])

A text is the help of an argument of the command line, whose values are of the annotated type; an
`Option` says more. `Read` is what another function returns, whose parameters are annotated in the
same way; a dataclass is read so too. A spec, of one of several kinds, is read from its JSON. Names
are those of the parameters.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from ..study.fields import Strict
from .cli import EXIT_CONTINUE, parse_spec, parser, positive, run
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
    choices: tuple[str, ...] | None = None
    repeated: bool = False
    read: Callable[[Any], Any] | None = None
    """what makes the parameter of what was parsed"""


@dataclass(frozen=True)
class Read:
    """What a function returns."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Resumable:
    """Arguments of a job that resumes."""

    work_dir: Annotated[Path, "where state is kept"]
    max_seconds: Annotated[
        float | None,
        Option(f"save and exit with code {EXIT_CONTINUE} after so many seconds", positive(float)),
    ] = None


def csv(
    help: str, columns: list[str], optional: Sequence[str] = (), may_be_empty: bool = False
) -> Option:
    """A table of these columns, and of the optional ones that it has."""
    read = partial(read_table, columns=columns, optional=optional, may_be_empty=may_be_empty)
    return Option(help, Path, read=read)


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
    for name, (option, default) in _options(function).items():
        required = default is Parameter.empty
        to.add_argument(
            f"--{name.replace('_', '-')}",
            required=required,
            default=None if required else default,
            type=option.parse,
            nargs=option.nargs,
            metavar=option.names,
            choices=option.choices,
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


def _options(function: Callable[..., Any]) -> dict[str, tuple[Option, Any]]:
    """Each option with its default."""
    found: dict[str, tuple[Option, Any]] = {}
    parameters = signature(function).parameters
    for name, source in _sources(function).items():
        if isinstance(source, Read):
            found |= _options(source.function)
        else:
            found[name] = source, parameters[name].default
    return found


def _sources(function: Callable[..., Any]) -> dict[str, Option | Read]:
    hints = get_type_hints(function, include_extras=True)
    return {name: _source(hint) for name, hint in hints.items() if name != "return"}


def _source(hint: Any) -> Option | Read:
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    if all(isinstance(kind, type) and issubclass(kind, Strict) for kind in kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        help = f"JSON of {names}, or @FILE: everything that decides the result"
        return Option(help, partial(parse_spec, hint))
    if isinstance(hint, type):
        return Read(hint)
    kind, source = get_args(hint)[:2]
    if not isinstance(source, str):
        return source
    if get_origin(kind) is UnionType:  # with None
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return Option(source, choices=get_args(kind))
    several = get_origin(kind) is list
    return Option(source, get_args(kind)[0] if several else kind, nargs="+" if several else None)
