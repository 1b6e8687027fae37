"""Fixtures that unit tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pictures import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty images of ten concepts, some in nested folders, with metadata.csv."""
    path = tmp_path / "images"
    lines = ["file_name,text,concept"]
    for number in range(30):
        name = f"deep/er/{number}.png" if number % 2 else f"{number}.png"
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path / name)
        lines.append(f'{name},"caption, number {number}",concept{number // 3}')
    (path / "metadata.csv").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A function of a pipeline's name; each is made once."""
    from adopting import Adopted
    from pipelines import save

    @cache
    def made(name: str) -> Adopted:
        return Adopted(name, save(name, tmp_path_factory.mktemp(name)))

    return made
