"""Every command explains itself, and answers a bad specification with one line and exit code 2."""

import importlib
import pkgutil
import sys

import pytest

import ldm_scaling
from ldm_scaling.cli import run

COMMANDS = [
    info.name
    for info in pkgutil.walk_packages(ldm_scaling.__path__, "ldm_scaling.")
    if hasattr(importlib.import_module(info.name), "main")
]


def exit_of(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(SystemExit) as stop:
        run(importlib.import_module(module).main)
    return stop.value.code


def test_there_are_commands_in_every_room():
    rooms = {name.split(".")[1] for name in COMMANDS}
    assert rooms == {"data", "latents", "models", "cells", "tables", "figures"}


@pytest.mark.parametrize("module", COMMANDS)
def test_help(module, monkeypatch, capsys):
    assert exit_of(module, monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert "usage:" in text
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
