"""Says on stderr that another make runs here, and lists its processes: their ids, what they do."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from ..jobs.cli import parser, run
from .view import duration

HELD = "error: another make runs here; wait for it"
LONGEST = 100
"""characters of a command that are shown"""


def busy(lock: Path) -> list[psutil.Process]:
    """The processes that have the lock's file open, each with its jobs behind it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # another user's, or gone
            if str(lock.resolve()) in {file.path for file in process.open_files()}:
                found += [process, *map(_worker, process.children())]
    return found


def _worker(shell: psutil.Process) -> psutil.Process:
    """Our command in a shell that Snakemake has started; the shell itself if it runs none."""
    own = (process for process in shell.children() if _module(_words(process)))
    return next(own, shell)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _module(words: Sequence[str]) -> str | None:
    return next((word for word in words if word.startswith("ldm_scaling.")), None)


def doing(words: Sequence[str]) -> str:
    """What a process does, by the words of its command."""
    module = _module(words)
    if any(Path(word).name == "snakemake" for word in words[:2]):
        study = next((at for at, word in enumerate(words) if word.startswith("--config")), 2)
        words = ["snakemake", *words[study:]]
    elif module and "--out" in words:
        words = [module, "makes", words[words.index("--out") + 1]]
    return " ".join(" ".join(words).split())[:LONGEST]


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("lock", type=Path, help="the lock's file")
    lines, ids = [HELD], []
    for process in busy(arguments.parse_args().lock):
        age = duration(time.time() - process.create_time())
        lines.append(f"  process {process.pid}, for {age}: {doing(_words(process))}")
        ids.append(str(process.pid))
    if ids:
        lines.append(f"To stop it, so that the same command continues: kill {' '.join(ids)}")
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    run(main)
