"""A Python that has imported the large packages, and forks for each command; see ready.py.

    python fork_server.py SOCKET        until stdin is closed

Nothing of this project is imported but Snakemake's plugin, which imports nothing else of it: a test
may run a copy. Nor is diffusers, which the project imports in part.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from pathlib import Path

PACKAGES = [
    *("snakemake.cli", "snakemake_executor_plugin_slurm", "smart_open", "yte", "jinja2"),
    *("accelerate", "torchvision"),
    *("transformers.modeling_utils", "pandas", "scipy.stats", "matplotlib.figure", "pydantic"),
]


def serve(path: str) -> list[str]:
    """Answer a client after the other; returns in a fork, with the words of its command."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listening", flush=True)
        for name in PACKAGES:
            importlib.import_module(name)
        sys.modules["snakemake.cli"].get_argument_parser()  # collects the plugins
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
        while True:
            told, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in told:
                os._exit(0)
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return answer(connection)


def answer(connection: socket.socket) -> list[str]:
    """Fork once more for the command, and wait for it here; returns in the fork, see `serve`."""
    _, files, _, _ = socket.recv_fds(connection, 1, 4)
    asked = json.loads(connection.makefile().readline())
    if child := os.fork():
        for file in files:
            os.close(file)
        threading.Thread(target=kill_with, args=(connection, child), daemon=True).start()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(b"%d\n" % status)
        os._exit(0)
    connection.close()
    *streams, folder = files
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        os.dup2(streams[number], number)
        setattr(sys, name, os.fdopen(number, mode, closefd=False))
    os.fchdir(folder)
    for file in files:
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    return asked["words"]


def kill_with(client: socket.socket, child: int) -> None:
    """Kill -9 a command whose client is."""
    if not client.recv(1):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(child, signal.SIGKILL)


def start(words: list[str]) -> None:
    """Run a module, a script or a text as `python ...` does."""
    if threads := os.environ.get("OMP_NUM_THREADS"):
        sys.modules["torch"].set_num_threads(int(threads))  # it has read another one on import
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.orig_argv[:] = [sys.executable, *words]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    option, sys.argv[:] = words[0], words
    sys.path[:1] = ["", *paths]
    if option == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    elif option == "-m":
        sys.argv[:], sys.path[0] = words[1:], str(Path.cwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(option).parent)
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    start(serve(sys.argv[1]))
