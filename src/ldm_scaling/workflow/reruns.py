"""Renew the tables of docs/what-reruns.md: they are computed from specs, registries and imports."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ..kinds.figures import FIGURES
from ..kinds.tables import TABLES
from . import decided, targets
from .closure import ABOVE, PACKAGE, closure

STUDIES = {
    "config.yaml": None,
    "studies/paper.yaml": ("data", "latents", "metrics", "superres"),
    "studies/smoke.yaml": ("curriculum",),
    "studies/pocket-scott.yaml": ("distill",),
    "studies/pocket-bias.yaml": ("data", "bias"),
    "studies/pocket-candidates.yaml": ("candidates", "inversion"),
}
"""studies whose keys are changed, and the sections that only the later ones use in full"""
BESIDE = {
    "collect": "tables.collect",
    "count_components": "costs.component_counts",
    "count_pairs": "costs.component_counts",
    "contact_sheet": "cells.sheet",
    "explorer": "explorer.__main__",
}
"""rules with source files beside those of the registries, and their commands"""
_FIGURES = [figure.name for figure in FIGURES]
_TABLES = [table.name for table in TABLES] + ["collect"]
_MARKED = re.compile(r"(<!-- (\w+) of `python -m [\w.]+` -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str, root: Path) -> str:
    """The document with its tables as the code has them."""
    tables = {"keys": keys_table, "sources": sources_table, "recipes": recipes_table}
    return with_tables(text, lambda name: tables[name](root))


def with_tables(text: str, made: Callable[[str], str]) -> str:
    """A document in which each marked table is the one that is made of its name."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{made(found[2])}\n{found[3]}", text)


def keys_table(root: Path) -> str:
    """The rules that each key of a study decides; alike keys of a section share a row."""
    found: dict[decided.Key, set[str]] = {}
    for study, sections in STUDIES.items():
        for key, rules in decided.decided_by(_merged(root, study), sections).items():
            found[key] = found.get(key, set()) | rules
    alike: dict[tuple, list[decided.Key]] = defaultdict(list)
    for key, rules in found.items():
        alike[key[:-1] if rules else (), frozenset(rules)].append(key)
    drawn = {*_FIGURES, *_TABLES}
    rows = [
        (
            ", ".join(f"`{'.'.join(key)}`" for key in keys),
            listed(sorted(rules - drawn)),
            listed(rules & drawn),
        )
        for (_, rules), keys in alike.items()
    ]
    return as_table(("key", "jobs", "tables and figures"), rows)


def sources_table(root: Path) -> str:
    """The rules that each source file is an input of; files that are inputs alike share a row."""
    rules: dict[str, list[str]] = defaultdict(list)
    for kind in (*TABLES, *FIGURES):
        for path in targets.sources(kind):
            rules[path].append(kind.name)
    for rule, module in BESIDE.items():
        for path in closure(f"{PACKAGE}.{module}"):
            rules[path].append(rule)
    alike: dict[frozenset, list[str]] = defaultdict(list)
    for path in sorted(rules):
        if not path.endswith("__init__.py"):
            short = str(Path(path).resolve().relative_to(ABOVE / PACKAGE))
            alike[frozenset(rules[path])].append(f"`{short}`")
    rows = [("the module of a figure, if no other figure imports it", "that figure")]
    for names, files in alike.items():
        if len(names) > 1 or not names <= set(_FIGURES):
            rows.append((", ".join(files), listed(names)))
    return as_table(("file below `src/ldm_scaling`", "rules"), rows)


def recipes_table(root: Path) -> str:
    """The specs that have a recipe, and the rules that it stands for."""
    found: dict[str, tuple[str, list[str]]] = {}
    for rule, make in decided.makers():
        kind = make.__self__
        if "recipe" in kind.model_fields:
            module = kind.__module__.rpartition(".")[2]
            found.setdefault(kind.__name__, (module, []))[1].append(rule)
    rows = [
        (f"`{name}` in `specs/{module}.py`", listed(rules))
        for name, (module, rules) in sorted(found.items(), key=lambda item: item[1])
    ]
    return as_table(("spec", "rules"), rows)


def listed(names: Iterable[str]) -> str:
    """Names of rules; all tables or all figures in a word, and most of them by what is left out."""
    rest = list(dict.fromkeys(names))
    words = []
    for word, group in (("tables", _TABLES), ("figures", _FIGURES)):
        there = [name for name in group if name in rest]
        absent = [name for name in group if name not in rest]
        if len(absent) < len(there) / 2:
            but = f" but {', '.join(f'`{name}`' for name in absent)}" if absent else ""
            words.append(f"all {word}{but}")
            rest = [name for name in rest if name not in group]
    order = {name: place for place, name in enumerate([*_TABLES, *_FIGURES])}
    rest.sort(key=lambda name: (order.get(name, -1), name))
    return "; ".join(filter(None, [*words, ", ".join(f"`{name}`" for name in rest)])) or "-"


def as_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of Markdown below a head."""
    lines: Iterator[tuple[str, ...]] = iter([head, ("---",) * len(head), *rows])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _merged(root: Path, study: str) -> dict[str, Any]:
    config = yaml.safe_load((root / "config.yaml").read_text())
    return _updated(config, yaml.safe_load((root / study).read_text()))


def _updated(config: Any, overlay: Any) -> Any:
    """As Snakemake merges configurations."""
    if not isinstance(config, dict) or not isinstance(overlay, dict):
        return overlay
    return config | {name: _updated(config.get(name), value) for name, value in overlay.items()}


def renew(path: str, description: str | None, renewed: Callable[[str, Path], str]) -> None:
    """The command that renews a document, made of its text and the top of the repository."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument(
        "--out", type=Path, default=Path(path), help="file to renew (%(default)s)"
    )
    out = arguments.parse_args().out
    out.write_text(renewed(out.read_text(), Path.cwd()))
    print(f"renewed {out}")


if __name__ == "__main__":
    renew("docs/what-reruns.md", __doc__, renewed)
