"""The fetched photographs: a small package in the place of Debian's, and a stand-in for apt."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ldm_scaling.data import fetch_photos, tries
from ldm_scaling.data.fetch_photos import PACKAGE, member

CONTENT = {"a.jpg": b"one", "b.jpg": b"two", "copyright": b"of somebody"}
UNPACKED = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "resources" / "photos"


@pytest.fixture
def fetch(tmp_path, monkeypatch, command, out):
    """Runs the command with a script for apt-get; gives the status, errors and what apt was told.

    `$PACKAGE` is the small package for the script, `$TRIES` how often it has been called.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(fetch_photos, "PHOTOS", hashes)
    monkeypatch.setattr(tries.time, "sleep", lambda seconds: None)
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    calls.touch()

    def fetched(script: str) -> tuple[int, list[str], list[str]]:
        apt = programs / "apt-get"
        apt.write_text(
            f'#!/bin/sh\necho "$@" >> {calls}\nTRIES=$(wc -l < {calls})\n'
            f"PACKAGE={tmp_path / 'small.deb'}\n{script}\n"
        )
        apt.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        return command(fetch_photos.main, "--out", out), calls.read_text().splitlines()

    return fetched


def build(folder: Path, content: dict[str, bytes]) -> None:
    """A package of these files, and one that nobody wants."""
    root = folder / "root"
    for name, data in content.items():
        path = root / member(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    drawing = root / "usr/share/backgrounds/mate/desktop/drawing.png"
    drawing.parent.mkdir(parents=True, exist_ok=True)
    drawing.write_bytes(b"lines")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: small\n"
    )
    words = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(folder / "small.deb")]
    subprocess.run(words, check=True, capture_output=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


COPY = 'cp "$PACKAGE" .'


@UNPACKED
def test_the_photographs_arrive_with_what_says_whose_they_are(fetch, tmp_path, out):
    build(tmp_path, CONTENT)
    (status, errors), calls = fetch(COPY)
    assert (status, errors) == (0, [])
    assert calls == [f"download {PACKAGE}"]
    assert files_of(out) == CONTENT
    assert [path.name for path in out.parent.iterdir()] == ["photos"]
    assert out.stat().st_mode == out.parent.stat().st_mode  # not that of a temporary folder


@UNPACKED
@pytest.mark.parametrize("left", [{}, {"a.jpg": b"torn"}])
def test_remains_give_way(fetch, tmp_path, out, left):
    build(tmp_path, CONTENT)
    out.mkdir(parents=True)
    for name, content in left.items():
        (out / name).write_bytes(content)
    assert fetch(COPY)[0] == (0, [])
    assert files_of(out) == CONTENT


@UNPACKED
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT | {"b.jpg": b"another"}, "b.jpg has the hash "),
        ({"a.jpg": b"one"}, "has no ./usr/share/backgrounds/mate/nature/b.jpg"),
        (None, "is no package ("),
    ],
)
def test_another_package_is_refused(fetch, tmp_path, out, content, reason):
    if content is None:
        (tmp_path / "small.deb").write_bytes(b"torn")
    else:
        build(tmp_path, content)
    (status, (line,)), _ = fetch(COPY)
    assert status == 2
    assert PACKAGE in line and reason in line
    assert not out.parent.exists()


@pytest.mark.parametrize("missing", ["apt-get", "dpkg-deb"])
def test_a_system_without_the_programs_is_one_line(missing, out, tmp_path, monkeypatch, command):
    for name in {"apt-get", "dpkg-deb"} - {missing}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, (line,) = command(fetch_photos.main, "--out", out)
    assert status == 2
    assert f"{missing} is missing" in line and "superres.validation.path" in line
    assert not out.exists()


def test_what_apt_does_not_offer_is_not_asked_for_again(fetch, out):
    reason = "Version '1.26.0-1' for 'mate-backgrounds' was not found"
    (status, (line,)), calls = fetch(f'echo "E: {reason}" >&2; exit 100')
    assert status == 2 and len(calls) == 1
    assert f"apt does not offer {PACKAGE}" in line and f"({reason})" in line
    assert "apt-get update" in line and "superres.validation.path" in line
    assert not out.exists()


FAILING = 'echo "W: later" >&2; echo "E: Failed to fetch it" >&2; exit 100'


@UNPACKED
def test_a_failing_network_is_tried_again(fetch, tmp_path, out):
    build(tmp_path, CONTENT)
    (status, errors), calls = fetch(f"if [ $TRIES -le 2 ]; then {FAILING}; fi; {COPY}")
    assert (status, errors, len(calls)) == (0, [], 3)
    assert files_of(out) == CONTENT


def test_a_network_that_stays_away_is_one_line(fetch, out):
    (status, (line,)), calls = fetch(FAILING)
    assert status == 2 and len(calls) == 4
    assert "(Failed to fetch it); check the network" in line
    assert not out.exists()


def test_photographs_of_a_user_are_left_alone(fetch, out):
    out.mkdir(parents=True)
    (out / "mine.jpg").write_bytes(b"mine")
    (status, (line,)), calls = fetch(COPY)
    assert status == 2 and calls == []
    assert "has mine.jpg; move what is yours" in line
    assert files_of(out) == {"mine.jpg": b"mine"}
