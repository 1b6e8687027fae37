"""From a merged configuration to the typed study, and the JSON schema of a study."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import ValidationError

from .fields import Strict, StudyError
from .study import Study

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where it was compiled


def load_study(config: dict[str, Any], files: Iterable[str | Path] = ()) -> Study:
    """The study that a configuration describes, which Snakemake merged from these files.

    Raises StudyError with one line that names the key and what is wrong with it.
    Snakemake's `--config` gives the leaves of nested keys as text. The type of each key decides
    whether they are numbers, since a revision of the hub such as 123e4 is text.
    """
    for path in files:
        _refuse_repeated_keys(Path(path))
    try:
        return Study.model_validate(_with_nulls(config))
    except ValidationError as error:
        # a mistyped key is also a missing one: name what is there
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"] if str(part).strip()) or "study"
        message = first["msg"].removeprefix("Value error, ")
        context = first.get("ctx", {})
        if first["type"] == "extra_forbidden":
            message = f"unknown key; {_known_keys(first['loc'])}"
        elif first["type"] == "missing":
            message = "is missing"
        elif first["type"] in ("too_short", "too_long"):
            least, most = (context.get(name) for name in ("min_length", "max_length"))
            bound = f"at least {least}" if first["type"] == "too_short" else f"at most {most}"
            message = f"needs {bound} entries, has {context['actual_length']}"
        elif first["type"] != "value_error":
            message += f" (got {json.dumps(first['input'], default=str)[:60]})"
        elif ": " in message:  # a check across keys names the one to change, within its section
            name, _, message = message.partition(": ")
            key = ".".join([*map(str, first["loc"]), name])
        more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
        raise StudyError(f"config key {key}: {message}{more}") from None


def _refuse_repeated_keys(path: Path) -> None:
    # YAML readers keep the last of two equal keys and say nothing
    def check(node: yaml.Node | None, above: str) -> None:
        if isinstance(node, yaml.SequenceNode):
            for entry in node.value:
                check(entry, above)
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                name, line = f"{above}{key.value}", key.start_mark.line + 1
                if name in lines:
                    raise StudyError(
                        f"{path}: config key {name} is in line {lines[name]} and again in line"
                        f" {line}; make them one"
                    )
                lines[name] = line
                check(value, f"{name}.")

    check(yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER), "")


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    return None if value in ("null", "~", "") else value


def _known_keys(location: tuple) -> str:
    kinds: list[Any] = [Study]
    for part in location[:-1]:
        sections = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Strict)]
        if any(get_origin(kind) is dict for kind in kinds):  # the part is a name in it
            kinds = sections
        elif fields := [kind.model_fields[part] for kind in sections if part in kind.model_fields]:
            kinds = [inner for field in fields for inner in _all_within(field.annotation)]
    known = dict.fromkeys(name for kind in kinds for name in getattr(kind, "model_fields", []))
    return f"known here: {', '.join(known)}"


def _all_within(kind: Any) -> Iterator[Any]:
    """A type, and all that it is made of."""
    yield kind
    for inner in get_args(kind):
        yield from _all_within(inner)


def schema_text() -> str:
    """The JSON schema of a study, as it stands in schemas/study.schema.json.

    No key is required, since an overlay has only a few. `load_study` checks the merged study.
    """
    schema = Study.model_json_schema()
    models = {model.__name__: model for model in _models(Strict)}
    for name, section in {"Study": schema, **schema["$defs"]}.items():
        section.pop("required", None)
        described = _docstrings(models[name]) if name in models else {}
        for key, entry in section.get("properties", {}).items():
            if key in described:
                section["properties"][key] = {"description": described[key], **entry}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


def _models(above: type[Strict]) -> Iterator[type[Strict]]:
    for model in above.__subclasses__():
        yield model
        yield from _models(model)


def _docstrings(model: type[Strict]) -> dict[str, str]:
    """The string below each key of a section.

    pydantic would read them too, but at every start of every command.
    """
    found = {}
    for part in reversed(model.__mro__):
        if issubclass(part, Strict) and part is not Strict:
            body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
            assert isinstance(body, ast.ClassDef)
            for key, after in pairwise(body.body):
                match key, after:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        found[name] = inspect.cleandoc(text)
    return found


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(description="Renew the JSON schema of a study.")
    path = Path("schemas/study.schema.json")
    arguments.add_argument("--out", type=Path, default=path, help="file to write (%(default)s)")
    out = arguments.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
