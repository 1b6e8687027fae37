"""Arrays in pieces: a resumed computation is the undisturbed one, and saves what it has once."""

from __future__ import annotations

import numpy as np
import pytest
from slices import StopsAfter

from ldm_scaling.jobs import pieces
from ldm_scaling.jobs.arrays import fingerprint_of, map_array, read_header
from ldm_scaling.jobs.cli import Slice, SliceEnded
from ldm_scaling.jobs.pieces import in_pieces
from ldm_scaling.jobs.workdir import WorkDir


class Squares:
    """Computes 0 to 2 rows a step: of step n, n % 3 rows."""

    def __init__(self):
        self.starts = []

    def __call__(self, steps):
        self.starts.append(steps.start)
        rows = [n for n in range(steps.start, steps.stop) for _ in range(n % 3)]
        return {"square": np.array(rows, np.float32).reshape(-1, 1) ** 2, "step": np.array(rows)}


def run(path, compute, time_slice=None):
    with WorkDir(path / "work", "x") as work:
        found = in_pieces("test", 10, 4, compute, work, time_slice or Slice(None))
        found.finish(path / "out", "f1", {"all": np.arange(3)}, note="n")
    return {name: map_array(path / "out", name) for name in ("square", "step", "all")}


def expected():
    steps = np.repeat(np.arange(10), np.arange(10) % 3)
    return {"square": steps[:, None].astype(np.float32) ** 2, "step": steps, "all": np.arange(3)}


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_it_goes_on_where_it_stopped(tmp_path, stop):
    compute = Squares()
    with pytest.raises(SliceEnded, match=f"stopped at {min(4 * stop, 10)} of 10"):
        run(tmp_path, compute, StopsAfter(stop))
    assert not (tmp_path / "out").exists()
    found = run(tmp_path, compute)
    assert compute.starts == [0, 4, 8], "each once"
    for name, array in expected().items():
        np.testing.assert_array_equal(found[name], array)
    assert fingerprint_of(tmp_path / "out") == "f1"
    assert read_header(tmp_path / "out")["__metadata__"]["note"] == "n"


def test_a_save_writes_only_what_is_new_and_the_end_removes_all(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "SAVE_SECONDS", -1)
    seen = []

    def compute(steps):
        seen.append(sorted(path.name for path in (tmp_path / "work").rglob("piece-*")))
        return Squares()(steps)

    run(tmp_path, compute)
    assert seen[2] == [f"piece-{0:014d}-{4:014d}", f"piece-{4:014d}-{8:014d}"]
    assert list((tmp_path / "work").rglob("piece-*")) == []


def test_what_follows_a_torn_piece_is_computed_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pieces, "SAVE_SECONDS", -1)
    with pytest.raises(SliceEnded):
        run(tmp_path, Squares(), StopsAfter(3))
    torn = sorted((tmp_path / "work").rglob("piece-*"))[1]
    torn.write_bytes(torn.read_bytes()[:-5])
    compute = Squares()
    found = run(tmp_path, compute)
    assert compute.starts == [4, 8]
    assert "is truncated" in capsys.readouterr().out
    for name, array in expected().items():
        np.testing.assert_array_equal(found[name], array)
