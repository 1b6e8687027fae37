"""Commands without the seconds in which Python imports Snakemake and torch.

A server imports them once and forks for each command (see fork_server.py). Workers of pytest-xdist
have one together. A command that fetches starts by itself: it reads other variables of the
environment on import.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARED = "READY_FOLDER"
"""variable of the environment: the folder of a server that workers share"""
PATIENCE = 300  # seconds after which something is broken
SCRIPTS = {
    "python": """#!/bin/sh
case "$*" in
"-m ldm_scaling.data.fetch_"*) exec {python} "$@" ;;
esac
exec {python} -IS {client} {socket} "$@"
""",
    "snakemake": """#!/bin/sh
exec {python} -IS {client} {socket} -m snakemake "$@"
""",
}


def share() -> None:
    """Start the server that the processes of this one ask, too."""
    os.environ[SHARED] = str(_server()[0])


def _scripts() -> Path:
    """The folder with SCRIPTS of the shared server, or of this process' own."""
    return Path(os.environ[SHARED]) if SHARED in os.environ else _server()[0]


@cache
def _server() -> tuple[Path, subprocess.Popen]:
    """A folder with SCRIPTS, and the server that they ask, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="ready"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    client, server = (ROOT / f"tests/fork_{name}.py" for name in ("client", "server"))
    words = {"python": sys.executable, "client": client, "socket": folder / "socket"}
    for name, text in SCRIPTS.items():
        script = text.format_map({key: shlex.quote(str(word)) for key, word in words.items()})
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    serving = subprocess.Popen(
        [sys.executable, server, folder / "socket"],
        env=own_environment(HF_HUB_OFFLINE="1"),  # as the package sets it
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert serving.stdout and serving.stdout.readline() == b"listening\n"
    return folder, serving


def python() -> str:
    """A Python that starts at once."""
    return str(_scripts() / "python")


def own_environment(**own: str) -> dict[str, str]:
    """This process' one, without what hides a copy's package or its bytecode, and with `own`."""
    hiding = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: os.environ[name] for name in os.environ if name not in hiding} | own


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the command in a folder; its jobs start at once, too."""
    binaries = [_scripts(), Path(sys.executable).parent, os.environ["PATH"]]
    own = own_environment(PATH=os.pathsep.join(map(str, binaries)))
    return _run(folder, own, "snakemake", *arguments)


def _run(folder: Path, environment: Mapping[str, str], *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [_scripts() / command[0], *command[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def jobs_in(folder: Path, *overlays: str, config: Mapping | None = None) -> list[Any]:
    """Every job of a study in a copy of the project, as its own package plans it."""
    with tempfile.NamedTemporaryFile() as file:
        words = (__file__, file.name, json.dumps([overlays, config]))
        own = own_environment(PYTHONPATH=str(folder / "src"))
        status, printed = _run(folder, own, "python", *words)
        assert status == 0, printed[-3000:]
        return pickle.load(file)


def together(count: int, *command: str) -> tuple[list[int], str]:
    """Exit statuses and output of a command of the project in processes that train together.

    The command is a module or a script, and its options. The processes are as `accelerate launch`
    starts them.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    words = command if command[0].endswith(".py") else ("-m", *command)
    with contextlib.ExitStack() as stack, tempfile.TemporaryFile() as output:
        processes = []
        for rank in range(count):
            own = os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            options = {"cwd": ROOT, "env": own, "stdout": output, "stderr": output}
            processes.append(stack.enter_context(subprocess.Popen([python(), *words], **options)))
            stack.callback(processes[-1].kill)  # if it waits for one that has failed
        statuses = [process.wait(PATIENCE) for process in processes]
        output.seek(0)
        return statuses, output.read().decode()


if __name__ == "__main__":
    from ldm_scaling.plan.dag import build

    out, asked = sys.argv[1:]
    overlays, config = json.loads(asked)
    jobs = build(Path("Snakefile"), [Path(overlay) for overlay in overlays], config)
    Path(out).write_bytes(pickle.dumps(jobs))
