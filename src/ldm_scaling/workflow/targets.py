"""From an entry of the registries of tables and figures to the parts of its rule."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePath
from typing import Any, NoReturn

from ..kinds.figures import FIGURES as FIGURE_KINDS
from ..kinds.figures import Figure
from ..kinds.tables import TABLES as TABLE_KINDS
from ..kinds.tables import WRITTEN_OUT, Table
from ..study.study import Study
from . import files, needed, settings
from .closure import PACKAGE, closure


def _words(text: str) -> list[tuple[str, str]]:
    """Option and word of each OPTION=WORD, or of each word that names both."""
    pairs = [word.partition("=") for word in text.split()]
    return [(option, word or option) for option, _, word in pairs]


FIGURES = [figure.name for figure in FIGURE_KINDS if figure.by_default]
TABLE_NEEDS = WRITTEN_OUT | {
    PurePath(path).stem: table.needs
    for table in TABLE_KINDS
    for _, path in _words(table.out)
    if path.endswith(".csv")
}
"""the tables of `all`, and what each needs"""


def figures(study: Study) -> list[str]:
    """The figures that `all` makes of a study: without those that it has nothing for."""
    needs = {figure.name: figure.needs for figure in FIGURE_KINDS if figure.by_default}
    return [name for name, section in needs.items() if _is_there(study, section)]


def tables(study: Study) -> list[str]:
    """The tables that `all` makes of a study."""
    return [name for name, section in TABLE_NEEDS.items() if _is_there(study, section)]


@dataclass(frozen=True)
class Parts:
    """Inputs and parameters of a rule.

    If the study lacks what the rule needs, the input raises the error when Snakemake asks for it.
    """

    inputs: Mapping[str, list[str] | Callable[[object], NoReturn]]
    params: dict[str, Any]
    """settings, and `command`: what `python -m` runs"""


def parts(kind: Figure | Table, study: Study) -> Parts:
    """The inputs and params of a figure or a table, its source files among the inputs."""
    if kind.needs and not _is_there(study, kind.needs):
        return Parts({"missing": _missing(study, kind.needs)}, {"command": ""})
    given = {option: files.named(study, word) for option, word in _words(kind.files)}
    named = ((option, settings.named(study, word)) for option, word in _words(kind.settings))
    values = {option: value for option, value in named if value is not None}
    shown = {name: settings.named(study, word) for name, word in _words(kind.shown)}
    inputs = {name: [path for one in found for path in one.paths] for name, found in given.items()}
    params = {name: literal(value) for name, value in (values | shown).items()}
    return Parts(
        inputs | {"sources": sources(kind)}, params | {"command": _command(kind, given, values)}
    )


def _command(
    kind: Figure | Table, given: dict[str, list[files.Given]], values: dict[str, Any]
) -> Callable[[Any, Any, Any], str]:
    """A function of wildcards, inputs and outputs.

    The text of a rule's shell command is made when its job runs. In a loop it must not name what
    the loop changes; so this is a parameter.
    """

    def of_job(wildcards: Any, input: Any, output: Any) -> str:
        words = _module(kind)
        for option, found in given.items():
            words += files.options(option, found, input[option])
        for option, value in values.items():
            words += [files.flag(option), *map(str, value if isinstance(value, list) else [value])]
        for option in _outputs_of(kind):
            words += [files.flag(option), output[option]]
        return shlex.join(words)

    return of_job


def _module(kind: Figure | Table) -> list[str]:
    if isinstance(kind, Figure):
        return [f"{PACKAGE}.figures", kind.name]
    return [f"{PACKAGE}.{kind.module}"]


def _outputs_of(kind: Figure | Table) -> list[str]:
    if isinstance(kind, Figure):
        return ["pdf", "png"]
    return [option for option, _ in _words(kind.out)]


def literal(value: Any) -> Any:
    """The value, or a function of wildcards that returns it: what stands in braces is none."""

    def of_job(wildcards: object) -> Any:
        return value

    return of_job if "{" in str(value) else value


def label(figure: Figure, made: Parts) -> dict[str, str]:
    """What the report lists a figure as. One label: it may make a switch of a second one."""
    sampler = made.params.get("sampler")
    return {"figure": f"{figure.name} ({sampler})" if sampler else figure.name}


def sources(kind: Figure | Table) -> list[str]:
    """The source files that draw a figure, or write a table."""
    if isinstance(kind, Figure):
        return closure(f"{PACKAGE}.figures.__main__", f"{PACKAGE}.figures.{kind.name}")
    return closure(f"{PACKAGE}.{kind.module}")


def tables_of(table: Table, study: Study) -> dict[str, str]:
    """The tables and texts that a rule writes, by their options."""
    return {option: path for option, path in _outputs(table, study).items() if _is_read(path)}


def draws_of(table: Table, study: Study) -> dict[str, str]:
    """What it writes beside them."""
    return {option: path for option, path in _outputs(table, study).items() if not _is_read(path)}


def told(path: str) -> dict[str, Any]:
    """How the report offers a table or a text; the caption is sought from rules/."""
    file = PurePath(path)
    caption = f"../report/tables/{file.stem}.rst"
    return {"caption": caption, "category": "Tables", "labels": {"table": file.name}}


def runtime(table: Table) -> Callable[[object, int], int]:
    """A function of wildcards and attempt: minutes, more at each attempt, up to a day."""

    def of_job(wildcards: object, attempt: int) -> int:
        return min(attempt * table.minutes, 1440)

    return of_job


def _outputs(table: Table, study: Study) -> dict[str, str]:
    return {option: f"{study.results}/{path}" for option, path in _words(table.out)}


def _is_read(path: str) -> bool:
    return path.endswith((".csv", ".md"))


def _is_there(study: Study, section: str | None) -> bool:
    return section is None or attrgetter(section)(study) not in (None, False)


def _missing(study: Study, section: str) -> Callable[[object], NoReturn]:
    """A function of wildcards that raises StudyError."""

    def of_job(wildcards: object) -> NoReturn:
        getattr(needed, section.rpartition(".")[2])(study)
        raise AssertionError(f"{section} is there")

    return of_job
