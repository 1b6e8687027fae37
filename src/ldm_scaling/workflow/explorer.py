"""What the explorer of a study is made of."""

from __future__ import annotations

from ..study.study import Study
from . import files
from .closure import ABOVE, PACKAGE, closure
from .paths import inputs_of

_ROOM = f"{PACKAGE}.explorer"
_BESIDE = ("levers", "claims", "floors")
"""tables that it shows beside frontier.csv"""
_TEMPLATES = ("html", "css", "js")


def inputs(study: Study) -> dict[str, str | list[str]]:
    """Files, by the names of the rule's inputs."""
    templates = [ABOVE.joinpath(*_ROOM.split("."), f"page.{kind}") for kind in _TEMPLATES]
    return {
        "frontier": _paths(study, "frontier")[0],
        "tables": [path for name in _BESIDE for path in _paths(study, name)],
        "captions": _paths(study, "captions"),
        "images": _paths(study, "frontier_images"),
        "sources": [*closure(f"{_ROOM}.__main__"), *inputs_of(templates)],
    }


def _paths(study: Study, word: str) -> list[str]:
    return [path for given in files.named(study, word) for path in given.paths]


def images(study: Study) -> list[str]:
    """The options of the command that name the files of images."""
    given = files.named(study, "frontier_images")
    return files.options("images", given, _paths(study, "frontier_images"))
