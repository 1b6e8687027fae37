"""Files appear whole or not at all; state survives kills, corruption and a second process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldm_scaling.jobs.workdir import WorkDir, atomic_path, file_hash, fingerprint, write_json
from ldm_scaling.study.data import Splits


def read(path: Path) -> str:
    """Read a state that must begin with the word `state`."""
    text = path.read_text()
    if not text.startswith("state"):
        raise ValueError("torn file")
    return text


def save(work: WorkDir, *positions: int) -> None:
    """Save states that name their position."""
    for position in positions:
        work.save(position, lambda path, position=position: path.write_text(f"state {position}"))


# ---------------------------------------------------------------- atomic files


def test_atomic_path_makes_folders_and_replaces(tmp_path):
    target = tmp_path / "a" / "b.json"
    write_json(target, [1])
    write_json(target, [2])
    assert json.loads(target.read_text()) == [2]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_mode_that_the_umask_allows(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~umask


def test_atomic_path_leaves_nothing_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "new") as path:
        path.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_atomic_path_keeps_the_old_file_after_an_error(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


# ---------------------------------------------------------------- fingerprints


def test_fingerprint_depends_on_values_only():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(Splits(validation=1, test=2), "x") == fingerprint(
        {"validation": 1, "test": 2}, "x"
    )
    assert len({fingerprint(1), fingerprint(2), fingerprint("1"), fingerprint(1, 2)}) == 4


def test_file_hash_is_of_the_content(tmp_path):
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(text)
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") != file_hash(tmp_path / "c")


# ---------------------------------------------------------------- state


def test_the_two_newest_states_are_kept(tmp_path):
    with WorkDir(tmp_path, "f") as work:
        save(work, 9, 10, 11, 100)
        assert sorted(path.name[-3:] for path in work.path.glob("state-*")) == ["011", "100"]
        assert work.load(read) == "state 100"


def test_without_state_nothing_is_loaded(tmp_path):
    with WorkDir(tmp_path, "f") as work:
        assert work.load(read) is None


def test_a_failed_save_leaves_the_states_before(tmp_path):
    def fail(path: Path) -> None:
        path.write_text("sta")
        raise OSError(28, "No space left on device")

    with WorkDir(tmp_path, "f") as work:
        save(work, 1)
        with pytest.raises(OSError, match="No space"):
            work.save(2, fail)
        assert work.load(read) == "state 1"
        assert {path.name for path in work.path.iterdir()} == {"lock", f"state-{1:014d}"}


@pytest.mark.parametrize("damage", ["", "garbage"])
def test_a_corrupt_newest_state_falls_back_to_the_one_before(tmp_path, capsys, damage):
    with WorkDir(tmp_path, "f") as work:
        save(work, 1, 2)
        newest = work.path / f"state-{2:014d}"
        newest.write_text(damage)
        assert work.load(read) == "state 1"
        assert "unreadable (torn file)" in capsys.readouterr().err
        assert not newest.exists()
        save(work, 2, 3)
        assert work.load(read) == "state 3"


def test_all_states_corrupt_is_a_new_start(tmp_path):
    with WorkDir(tmp_path, "f") as work:
        save(work, 1, 2)
        for path in work.path.glob("state-*"):
            path.write_text("")
        assert work.load(read) is None


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()])
def test_an_error_that_is_not_the_states_removes_nothing(tmp_path, error):
    def fail(_: Path) -> None:
        raise error

    with WorkDir(tmp_path, "f") as work:
        save(work, 1, 2)
        with pytest.raises(type(error)):
            work.load(fail)
        assert work.load(read) == "state 2"


def test_state_of_another_fingerprint_is_never_used(tmp_path):
    with WorkDir(tmp_path, "one") as work:
        save(work, 1)
    with WorkDir(tmp_path, "two") as work:
        assert work.load(read) is None
        save(work, 7)
    with WorkDir(tmp_path, "one") as work:
        assert work.load(read) == "state 1"


# ---------------------------------------------------------------- other processes

KILLED = """
import sys, time
from ldm_scaling.jobs.workdir import WorkDir

def slow(path):
    with path.open("w") as file:
        file.write("state 2, but only half of it")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)

with WorkDir(sys.argv[1], "f") as work:
    work.save(1, lambda path: path.write_text("state 1"))
    work.save(2, slow)
"""

HOLDER = """
import sys
from ldm_scaling.jobs.workdir import WorkDir

with WorkDir(sys.argv[1], "f") as work:
    print("locked", flush=True)
    sys.stdin.readline()
    work.save(1, lambda path: path.write_text("state 1"))
"""

WAITER = """
import sys
from ldm_scaling.jobs.workdir import WorkDir

with WorkDir(sys.argv[1], "f") as work:
    print(work.load(lambda path: path.read_text()), flush=True)
"""


def start(code: str, folder: Path) -> subprocess.Popen:
    """Start a Python process with pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_in_the_middle_of_a_save_leaves_the_state_before(tmp_path):
    with start(KILLED, tmp_path) as process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert len(list((tmp_path / "f").glob("partial-*"))) == 1
    with WorkDir(tmp_path, "f") as work:
        assert work.load(read) == "state 1"
        assert list(work.path.glob("partial-*")) == [], "leftovers would fill the disk"


def test_a_second_process_waits_for_the_lock(tmp_path):
    with start(HOLDER, tmp_path) as holder:
        assert holder.stdout.readline() == "locked\n"
        with start(WAITER, tmp_path) as waiter:
            assert "waiting for it" in waiter.stderr.readline()
            time.sleep(0.3)
            assert waiter.poll() is None
            holder.stdin.write("\n")
            holder.stdin.flush()
            assert waiter.stdout.readline() == "state 1\n"
        assert waiter.returncode == 0
