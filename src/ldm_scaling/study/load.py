"""From a merged configuration to the typed study, and the JSON schema of a study."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from .fields import StudyError
from .study import Study


def load_study(config: dict[str, Any]) -> Study:
    """The study that a merged configuration describes.

    Snakemake's `--config` gives the leaves of nested keys as text. What is a number is for each
    key's type to say: a hub's revision 123e4 is none.
    Raises StudyError with one line that names the key and what is wrong with it.
    """
    try:
        return Study.model_validate(_with_nulls(config))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "study"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key; {_known_keys(first['loc'])}"
        elif first["type"] == "missing":
            message = "is missing"
        elif first["type"] in ("too_short", "too_long"):
            least, most = (first["ctx"].get(name) for name in ("min_length", "max_length"))
            bound = f"at least {least}" if first["type"] == "too_short" else f"at most {most}"
            message = f"needs {bound}, has {first['ctx']['actual_length']}"
        elif first["type"] != "value_error":
            message += f" (got {json.dumps(first['input'], default=str)[:60]})"
        elif ": " in message:  # a check across keys names the one to change, within its section
            name, _, message = message.partition(": ")
            key = ".".join([*map(str, first["loc"]), name])
        more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
        raise StudyError(f"config key {key}: {message}{more}") from None


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    return None if value in ("null", "~", "") else value


def _known_keys(location: tuple) -> str:
    model: Any = Study
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation
        model = next(iter(get_args(annotation)), annotation)  # of a section that may be null
    return f"known here: {', '.join(model.model_fields)}"


def schema_text() -> str:
    """The JSON schema of a study, as it stands in schemas/study.schema.json.

    No key is required: an overlay has few. `load_study` demands what the merged study needs.
    """
    schema = Study.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        section.pop("required", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(description="Renew the JSON schema of a study.")
    path = Path("schemas/study.schema.json")
    arguments.add_argument("--out", type=Path, default=path, help="file to write (%(default)s)")
    out = arguments.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(schema_text())
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
