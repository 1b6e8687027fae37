"""From an entry of the registries of tables and figures to the parts of its rule."""

from __future__ import annotations

import shlex
from collections.abc import Callable
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
    """Of a rule. Where the study lacks what it needs, its input says so when it is asked for."""

    inputs: dict[str, list[str] | Callable[[object], NoReturn]]
    params: dict[str, Any]
    options: str
    """of the shell command, with Snakemake's braces"""


def parts(kind: Figure | Table, study: Study) -> Parts:
    """The inputs, params and options of a figure or a table, its source files among the inputs."""
    if not _is_there(study, kind.needs):
        return Parts({"missing": _missing(study, kind.needs)}, {}, "")
    inputs, params, options = {"sources": sources(kind)}, {}, []
    for option, word in _words(kind.files):
        given = files.named(study, word)
        inputs[option] = [path for one in given for path in one.paths]
        options += _file_options(option, given)
    for option, word in _words(kind.settings):
        params[option] = literal(settings.named(study, word))
        options.append(f"{_flag(option)} {{params.{option}:q}}")
    params |= {name: settings.named(study, word) for name, word in _words(kind.shown)}
    return Parts(inputs, params, " ".join(options))


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


def output_options(table: Table) -> str:
    """The options that name them, with Snakemake's braces."""
    return " ".join(f"{_flag(option)} {{output.{option}:q}}" for option, _ in _words(table.out))


def runtime(table: Table) -> Callable[[object, int], int]:
    """A function of wildcards and attempt: minutes, more at each attempt."""

    def of_job(wildcards: object, attempt: int) -> int:
        return attempt * table.minutes

    return of_job


def _file_options(option: str, given: list[files.Given]) -> list[str]:
    """The option for each of what it is given, whose files are the input of that name in order."""
    found, start = [], 0
    for labels, paths in given:
        end = start + len(paths)
        named = [f"{{input.{option}[{place}]:q}}" for place in range(start, end)]
        words = [shlex.quote(str(label)) for label in labels]
        found.append(" ".join([_flag(option), *words, *named]))
        start = end
    return found


def _outputs(table: Table, study: Study) -> dict[str, str]:
    return {option: f"{study.results}/{path}" for option, path in _words(table.out)}


def _is_read(path: str) -> bool:
    return path.endswith((".csv", ".md"))


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _is_there(study: Study, section: str | None) -> bool:
    return section is None or attrgetter(section)(study) is not None


def _missing(study: Study, section: str) -> Callable[[object], NoReturn]:
    """A function of wildcards that raises StudyError."""

    def of_job(wildcards: object) -> NoReturn:
        getattr(needed, section.rpartition(".")[2])(study)
        raise AssertionError(f"{section} is there")

    return of_job
