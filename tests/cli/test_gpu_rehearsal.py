"""The command that measures a GPU, rehearsed on tiny shapes on whatever device there is."""

from __future__ import annotations

import json
import sys

import by_hand
import pytest
import torch
from gpu import measure


def test_every_part_that_measures_a_gpu_runs_on_a_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["measure", "--rehearse", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        measure.main()
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert stopped.value.code == 0, report
    found = report["parts"]
    (checked,) = found["classes"]
    assert checked["class"] == "sana" and checked["finite"]
    assert checked["nfe"] == by_hand.nfe("sana", measure.STEPS, 5)
    assert found["tiny eager"]["nfe"] == 2 * measure.STEPS
    for name in ("sampling c12 eager", "training c12 eager"):
        assert found[name]["images_per_second"] > 0 < found[name]["usual_images_per_second"]
    assert "| tiny eager |" in (tmp_path / "gpu.md").read_text()


def test_what_is_measured_compiled_is_measured_without_it_too(tmp_path):
    names = set(measure.parts(torch.device("cpu"), tmp_path))
    compiled = {name.removesuffix(" compiled") for name in names if name.endswith(" compiled")}
    assert {name.split()[0] for name in compiled} >= {"sd1", "sampling", "training"}
    assert {f"{name} eager" for name in compiled} <= names


def test_a_part_that_fails_or_comes_too_late_leaves_the_others(tmp_path, monkeypatch):
    def fails():
        raise RuntimeError("no room")

    report = {"parts": {}}
    assert measure.run({"a": fails, "b": lambda: {"seconds": 1.5}}, report, tmp_path) == ["a"]
    assert report["parts"] == {"a": {"failed": "RuntimeError: no room"}, "b": {"seconds": 1.5}}
    monkeypatch.setattr(measure, "LATEST", -1)
    assert measure.run({"c": fails}, report, tmp_path) == []
    assert report["parts"]["c"] == {"left_out": "no time"}
