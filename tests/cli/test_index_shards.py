"""The command `python -m ldm_scaling.data.index_shards`."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from collections_on_disk import write_shards
from commands import run_here

from ldm_scaling.jobs.arrays import map_array


def command(folder: Path, *more: str) -> CompletedProcess[str]:
    """Run the command on folder/shards."""
    arguments = ["--spec", '{"max_images": null}', "--shards", folder / "shards"]
    arguments += ["--out", folder / "out" / "index", "--work-dir", folder / "work", *more]
    return run_here("data.index_shards", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards."""
    write_shards(tmp_path / "shards", [3, 2, 4])
    return tmp_path


def test_a_slice_that_is_over_is_continued(folder):
    stopped = command(folder, "--max-seconds", "0.000001")
    assert stopped.returncode == 75, stopped.stderr
    assert "stopped at 1 of 3; state is saved" in stopped.stderr
    assert not (folder / "out").exists()
    done = command(folder)
    assert done.returncode == 0, done.stderr
    assert "9 samples in 3 shards" in done.stdout
    assert map_array(folder / "out" / "index", "starts").tolist() == [0, 3, 5, 9]


def test_a_truncated_shard_is_one_line_and_no_index(folder):
    path = folder / "shards" / "001.tar"
    path.write_bytes(path.read_bytes()[:2000])
    done = command(folder)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("indexing"))
    assert line.startswith(f"error: {path} is truncated")
    assert not (folder / "out").exists()


def test_an_empty_folder_names_the_key(folder):
    for path in (folder / "shards").iterdir():
        path.unlink()
    done = command(folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: data.path: {folder / 'shards'} has no .tar files")
