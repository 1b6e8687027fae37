"""Dry runs in processes that have imported Snakemake already, which is half of what they take.

A server that has done it forks one for each. It has not imported this project, of which a copy may
be run. Nor may this module import it, which every such process does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["snakemake.cli", "snakemake_executor_plugin_slurm"])


def dry_run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the command snakemake in a folder."""
    return _run(folder, _snakemake, *arguments)


def jobs_in(folder: Path, *overlays: str, config: Mapping | None = None) -> list[Any]:
    """Every job of a study in a copy of the project, as its own package plans it."""
    with tempfile.NamedTemporaryFile() as file:
        words = (json.dumps([overlays, config]), file.name)
        status, printed = _run(folder, _build, *words)
        assert status == 0, printed[-3000:]
        return pickle.load(file)


def _run(folder: Path, function: Callable, *words: str) -> tuple[int, str]:
    with tempfile.NamedTemporaryFile() as output:
        given = (folder, dict(os.environ), output.name, function, words)
        process = _SERVER.Process(target=_begin, args=given)
        process.start()
        process.join()
        return process.exitcode, output.read().decode()


def _begin(
    folder: Path, environment: dict[str, str], output: str, function: Callable, words: tuple
) -> None:
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    ours = {str(ROOT / "src"), str(ROOT / "tests")}
    sys.path[:] = [path for path in sys.path if path not in ours]
    function(*words)


def _snakemake(*arguments: str) -> None:
    from snakemake import cli

    sys.argv = ["snakemake", *arguments]
    cli.main()


def _build(asked: str, out: str) -> None:
    sys.path.insert(0, "src")
    from ldm_scaling.plan.dag import build

    overlays, config = json.loads(asked)
    jobs = build(Path("Snakefile"), [Path(overlay) for overlay in overlays], config)
    Path(out).write_bytes(pickle.dumps(jobs))
