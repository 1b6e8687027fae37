"""A copy of the project in a temporary folder, and Snakemake on it as a user types it."""

from __future__ import annotations

import copy
import fcntl
import importlib
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ready import own_environment, snakemake

import ldm_scaling

ROOT = Path(__file__).parents[1]
PARTS = [
    *("Snakefile", "config.yaml", "rules", "report", "envs", "src"),
    *("studies", "profiles", "pretrained"),
]
FETCHED = {
    "emoji.zip": "fetch_emoji",
    "squeezenet1_1.safetensors": "fetch_squeezenet",
    "word-vectors": "fetch_word_vectors",
}
"""files below resources/ that runs share, and the modules that fetch them"""
SMOKE = ("--cores", "2", "--max-jobs-per-timespan=10000/5s", "--configfile=studies/smoke.yaml")
"""the timespan for the reason that the Makefile gives; a run ends as long after its last job"""
SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


def fetch(name: str) -> Path:
    """The path of one of FETCHED below the checkout's resources/, where it is fetched once."""
    path = ROOT / "resources" / name
    path.parent.mkdir(exist_ok=True)
    with (path.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in other processes want it too
        if not path.is_file() and not (path / "config.json").exists():  # written last
            command = [sys.executable, "-m", f"ldm_scaling.data.{FETCHED[name]}"]
            subprocess.run([*command, "--out", str(path)], check=True)
    return path


def command_modules() -> list[str]:
    """The modules in the package's rooms that are commands of jobs or of users.

    Commands of study/ and workflow/ renew files of the repository.
    """
    names = [info.name for info in pkgutil.walk_packages(ldm_scaling.__path__, "ldm_scaling.")]
    in_rooms = [
        name
        for name in names
        if name.count(".") == 2 and name.split(".")[1] not in ("study", "workflow")
    ]
    return [name for name in in_rooms if hasattr(importlib.import_module(name), "main")]


def hear_ctrl_c() -> None:
    """What a shell starts in the background is deaf to Ctrl-C, and so is all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Project:
    """A copy of what a run needs, sharing what was fetched with the checkout."""

    def __init__(self, folder: Path):
        self.program = SNAKEMAKE
        self.folder = folder
        folder.mkdir()
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        (folder / "slurm").symlink_to("profiles/slurm")
        (folder / "resources").mkdir()
        for name in FETCHED:
            archive = fetch(name)
            copied = shutil.copytree if archive.is_dir() else shutil.copy2
            copied(archive, folder / "resources" / name)

    def copy(self, folder: Path) -> Project:
        """The same in another folder, with its results and what Snakemake knows of them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        return other

    def start(
        self, *arguments: str, output: IO | int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen:
        """Start Snakemake as a user does, in a process group of its own."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder,
            env=own_environment(PATH=path) | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,
        )

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run to the end, with jobs that start at once; asserts the exit status.

        Returns what was printed.
        """
        status, output = snakemake(self.folder, *arguments)
        assert (status != 0) == fails, output[-6000:]
        return output

    def kill_when(self, moment: Callable[[], bool], *arguments: str) -> None:
        """Start, and kill -9 every process of the run as soon as `moment()` is true."""
        process = self.start(*arguments)
        while not moment():
            assert process.poll() is None, f"ended too soon: {process.communicate()[0][-6000:]}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def kill_at_states(self, moments: set[str], *arguments: str) -> None:
        """Run again and again, each killed -9 at one more of the moments (see kill_at_state.py)."""
        shutil.copy(ROOT / "tests/e2e/kill_at_state.py", self.folder / "src/sitecustomize.py")
        waiting = self.folder / "waiting"
        waiting.mkdir()
        for moment in moments:
            (waiting / moment).touch()
        while left := {path.name for path in waiting.iterdir()}:
            process = self.start(*arguments, KILL_AT_STATE=str(waiting))
            output = process.communicate()[0]
            assert process.returncode == -signal.SIGKILL, f"no state of {left}: {output[-6000:]}"

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Rule names and numbers of jobs of a dry run."""
        return counts(self.snakemake("--dry-run", *arguments))

    def running(self, module: str) -> bool:
        """Whether a command of this project's is running."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                same_folder = (entry / "cwd").resolve() == self.folder.resolve()
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if same_folder and words[1:3] == ["-m", module]:
                return True
        return False


def counts(printed: str) -> dict[str, int]:
    """Rule names and numbers of jobs of a dry run that printed this."""
    table = re.search(r"Job stats:\njob\s+count\n[- ]+\n((?:\w+\s+\d+\n)+)", printed)
    if table is None:
        assert "Nothing to be done" in printed, printed[-3000:]
        return {}
    rows = [line.split() for line in table[1].splitlines()]
    return {name: int(count) for name, count in rows if name != "total"}


def pretend(project: Project, *arguments: str) -> str:
    """Make an empty file of each output of all jobs; what a dry run of them all prints."""
    printed = project.snakemake("--dry-run", "--forceall", *arguments)
    outputs = re.findall(r"^    output: (.*)$", printed, re.MULTILINE)
    for path in ", ".join(outputs).split(", "):
        file = project.folder / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return printed
