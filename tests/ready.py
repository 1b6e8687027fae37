"""Processes that have imported Snakemake and torch already, which is half of what short ones take.

A server imports these packages once and forks the processes. Neither the server nor this module
imports the project, since a test may run a copy of it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import runpy
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["snakemake.cli", "snakemake_executor_plugin_slurm", "accelerate"])
PATIENCE = 300  # seconds after which something is broken


def dry_run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the command snakemake in a folder."""
    [status], output = _run(folder, _snakemake, *arguments)
    return status, output


def jobs_in(folder: Path, *overlays: str, config: Mapping | None = None) -> list[Any]:
    """Every job of a study in a copy of the project, as its own package plans it."""
    with tempfile.NamedTemporaryFile() as file:
        words = (json.dumps([overlays, config]), file.name)
        [status], printed = _run(folder, _build, *words)
        assert status == 0, printed[-3000:]
        return pickle.load(file)


def together(count: int, *command: str) -> tuple[list[int], str]:
    """Exit statuses and output of a command of the project in processes that train together.

    The command is a module or a script, and its options. The processes are as `accelerate launch`
    starts them.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count}
    each = [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in range(count)]
    return _run(ROOT, _command, *command, environments=each)


def _run(
    folder: Path, function: Callable, *words: str, environments: Sequence[Mapping] = ({},)
) -> tuple[list[int], str]:
    processes = []
    with tempfile.NamedTemporaryFile() as output:
        for own in environments:
            environment = {name: str(value) for name, value in (os.environ | own).items()}
            given = (folder, environment, output.name, function, words)
            processes.append(_SERVER.Process(target=_begin, args=given))
            processes[-1].start()
        for process in processes:
            process.join(PATIENCE)
            process.kill()  # if it waits for one that has failed
            process.join()
        return [process.exitcode for process in processes], output.read().decode()


def _begin(
    folder: Path, environment: dict[str, str], output: str, function: Callable, words: tuple
) -> None:
    with open(output, "a") as file:
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


def _command(program: str, *options: str) -> None:
    sys.path.insert(0, str(Path("src").resolve()))
    sys.argv = [program, *options]
    run = runpy.run_path if program.endswith(".py") else runpy.run_module
    run(program, run_name="__main__")


def _build(asked: str, out: str) -> None:
    sys.path.insert(0, str(Path("src").resolve()))
    from ldm_scaling.plan.dag import build

    overlays, config = json.loads(asked)
    jobs = build(Path("Snakefile"), [Path(overlay) for overlay in overlays], config)
    Path(out).write_bytes(pickle.dumps(jobs))
