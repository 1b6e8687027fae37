"""The command `python -m ldm_scaling.data.prepare`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import run_here
from PIL import Image

command = partial(run_here, "data.prepare")


def spec(folder: Path, **more: object) -> str:
    """The spec of a folder of images."""
    data = {
        "source": "imagefolder",
        "path": str(folder),
        "styles": ["noto"],
        "image_size": 8,
        "splits": {"validation": 2, "test": 3},
    }
    return json.dumps({"seed": 0, "data": {**data, **more}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images with metadata.csv."""
    path = tmp_path / "images"
    path.mkdir()
    lines = ["file_name,text"]
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path / f"{number}.png")
        lines.append(f"{number}.png,picture {number}")
    (path / "metadata.csv").write_text("\n".join(lines))
    return path


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that refused its input: exit code 2, one line."""
    assert done.returncode == 2, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("reading images:"))
    assert line.startswith("error: ")
    return line


def test_a_folder_becomes_splits(folder, tmp_path):
    done = command("--spec", spec(folder), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "12 images, 0 exact copies dropped: 7 train, 2 validation, 3 test" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{split}.{kind}"
        for split in ("train", "validation", "test")
        for kind in ("csv", "safetensors")
    )


def test_the_spec_may_stand_in_a_file(folder, tmp_path):
    (tmp_path / "spec.json").write_text(spec(folder))
    done = command("--spec", f"@{tmp_path / 'spec.json'}", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr


def test_help():
    done = command("--help")
    assert done.returncode == 0
    for word in ("--spec", "--out", "--archive", "by concept"):
        assert word in done.stdout


def test_missing_image(folder, tmp_path):
    (folder / "3.png").unlink()
    done = command("--spec", spec(folder), "--out", tmp_path / "out")
    assert f"{folder}/3.png does not exist" in refused(done)
    assert not (tmp_path / "out").exists()


def test_missing_column(folder, tmp_path):
    path = folder / "metadata.csv"
    path.write_text(path.read_text().replace("file_name,text", "file_name,title"))
    done = command("--spec", spec(folder), "--out", tmp_path / "out")
    assert f"{path} has no column text or caption; it has file_name, title" in refused(done)


def test_broken_image(folder, tmp_path):
    (folder / "3.png").write_text("no image")
    done = command("--spec", spec(folder), "--out", tmp_path / "out")
    assert f"{folder}/3.png" in refused(done)
    assert not (tmp_path / "out").exists()


def test_too_few_images(folder, tmp_path):
    wrong = spec(folder, splits={"validation": 6, "test": 6})
    done = command("--spec", wrong, "--out", tmp_path / "out")
    assert "data.splits: 12 images are held out" in refused(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--spec"),
        (["--spec", "{", "--out", "x"], "Invalid JSON"),
        (["--spec", "@nowhere.json", "--out", "x"], "cannot read nowhere.json"),
        (["--spec", '{"seed": 0}', "--out", "x"], "data: Field required"),
        (["--spec", spec(Path("x"), image_size=9), "--out", "x"], "data.image_size"),
        (["--spec", spec(Path("x"), colour=9), "--out", "x"], "data.colour"),
        (["--spec", spec(Path("nowhere")), "--out", "x"], "data.path: nowhere is not a folder"),
        (["--spec", spec(Path("x")), "--out", "x", "--fast"], "--fast"),
        (["--spec", spec(Path("x"), source="emoji", path=None), "--out", "x"], "--archive"),
    ],
)
def test_wrong_arguments(arguments, says):
    assert says in refused(command(*arguments))


def test_a_locale_that_is_not_utf_8_changes_no_caption(folder, tmp_path):
    path = folder / "metadata.csv"
    path.write_text(path.read_text().replace("picture", "Åland ねこ"), encoding="utf-8")

    def in_ascii(out: str) -> subprocess.CompletedProcess[str]:
        plain = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        line = [sys.executable, "-m", "ldm_scaling.data.prepare", "--spec", spec(folder)]
        line += ["--out", str(tmp_path / out)]
        return subprocess.run(line, env=os.environ | plain, capture_output=True, text=True)

    assert command("--spec", spec(folder), "--out", tmp_path / "utf").returncode == 0
    done = in_ascii("ascii")
    assert done.returncode == 0, done.stderr
    for split in ("train", "validation", "test"):
        written = [(tmp_path / name / f"{split}.csv").read_bytes() for name in ("utf", "ascii")]
        assert "Åland ねこ" in written[0].decode() and written[0] == written[1]
    (folder / "3.png").unlink()
    path.write_text(path.read_text(encoding="utf-8").replace("3.png", "ねこ.png"), encoding="utf-8")
    assert r"\u306d\u3053.png does not exist" in refused(in_ascii("no"))
