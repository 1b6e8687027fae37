"""Every command explains itself, and answers a bad specification with one line and exit code 2."""

import importlib
import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from project import command_modules
from safetensors import SafetensorError
from studies import put

from ldm_scaling.jobs.cli import parser, run
from ldm_scaling.jobs.workdir import write_json
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import SweepSpec

COMMANDS = command_modules()


def exit_of(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(SystemExit) as stop:
        run(importlib.import_module(module).main)
    return stop.value.code


def test_there_are_commands_in_every_room():
    rooms = {name.split(".")[1] for name in COMMANDS}
    assert rooms >= {"data", "latents", "models", "cells", "costs", "tables", "claims", "figures"}


@pytest.mark.parametrize("module", COMMANDS)
def test_help(module, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec(module, None))
    assert exit_of(module, monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert f"usage: python -m {module.removesuffix('.__main__')} [" in text
    assert importlib.import_module(module).__doc__.splitlines()[0] in text


@pytest.mark.parametrize("module", COMMANDS)
def test_an_unknown_option_is_one_line(module, monkeypatch, capsys):
    assert exit_of(module, monkeypatch, "--no-such-option") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("spec", ["{", '{"unknown": 1}', "@/no/such/file"])
def test_a_bad_spec_is_one_line(spec, monkeypatch, capsys):
    code = exit_of("ldm_scaling.models.pretrain", monkeypatch, "--spec", spec)
    assert code == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert "--spec" in error


def write_as_safetensors_does():
    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


@pytest.mark.parametrize(
    "write", [lambda: Path("/dev/full").write_text("text"), write_as_safetensors_does]
)
def test_a_full_disk_is_one_line(write, capsys):
    with pytest.raises(SystemExit) as stop:
        run(write)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no disk space left")


def test_a_path_that_cannot_be_used_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        run(lambda: write_json(tmp_path / "file" / "a.json", 1))
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert str(tmp_path / "file") in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("option", ["--micro-batch", "--max-seconds"])
@pytest.mark.parametrize("value", ["-4", "0", "many"])
def test_counts_are_above_zero(option, value, monkeypatch, capsys):
    assert exit_of("ldm_scaling.models.pretrain", monkeypatch, option, value) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("sampler", "ddimm", "'ddim'"),
        ("steps", 0, "greater than 0"),
        ("guidance", 0.5, "greater than or equal to 1"),
        ("n", 0, "greater than 0"),
        ("seed", -1, "greater than or equal to 0"),
        ("extractors.0.name", "vgg", "'effnet_lite0', 'inception_v3'"),
        ("extractors.0.input_size", 8, "greater than or equal to 32"),
    ],
)
def test_a_wrong_cell_of_a_spec_written_by_hand_is_one_line(
    pocket_config, capsys, field, value, says
):
    spec = SweepSpec.of(load_study(pocket_config), "pretrain", "ddim").model_dump()
    put(spec["cells"][0], field, value)
    with pytest.raises(SystemExit) as stopped:
        parser("Sample.", SweepSpec).parse_args(["--spec", json.dumps(spec)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert f"cells.0.{field}: " in error and says in error
    assert error.count("\n") == 1
