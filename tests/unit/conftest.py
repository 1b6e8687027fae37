"""Fixtures that unit tests share."""

from __future__ import annotations

from pathlib import Path

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
