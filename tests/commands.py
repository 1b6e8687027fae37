"""Commands of the project, run in the test's own process: a start of Python takes a second."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

import ready

from ldm_scaling.jobs.cli import run


def run_here(module: str, *options: object, folder: Path | str = ".") -> CompletedProcess[str]:
    """What `python -m ldm_scaling.MODULE OPTIONS` does and prints in a folder."""
    main, words = importlib.import_module(f"ldm_scaling.{module}").main, [*map(str, options)]
    status, out, err = 0, io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [module, *words]),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run(main)
        except SystemExit as stopped:
            status = stopped.code
    return CompletedProcess(words, status, out.getvalue(), err.getvalue())


def kill_at_save(module: str, save: int, *options: object, folder: Path | str = ".") -> None:
    """Run a command in another process, which is killed -9 at this save; see killed.py."""
    import torch

    words = [module, str(save), *map(str, options)]
    killed = subprocess.run(
        [ready.python(), Path(__file__).with_name("killed.py"), *words],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},  # rounds alike
        cwd=folder,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
