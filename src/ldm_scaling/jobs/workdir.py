"""Files that are written completely or not at all, and folders for the state of long jobs.

Every long job saves its state in a work folder outside of its outputs. State carries a fingerprint
of what decides the result. State with another fingerprint is never used. An interrupted save does
not change the state before it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .cli import first_line


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `target` that becomes `target` if the block ends without an error."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="partial-", suffix=f"-{target.name}", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp's own mode is for secrets
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def write_text(target: str | os.PathLike, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")  # whatever the locale


def write_json(target: str | os.PathLike, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(target, json.dumps(value, indent=2) + "\n")


def fingerprint(*parts: Any) -> str:
    """A hash of what decides a result: specs, fingerprints of inputs."""
    text = json.dumps(
        [part.model_dump(mode="json") if hasattr(part, "model_dump") else part for part in parts],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hash(path: str | os.PathLike) -> str:
    """A hash of a file's content."""
    return file_sha256(path)[:24]


class Busy(Exception):
    """Another process works in the folder."""


def hold_lock(path: Path, what: Path, wait: bool = True) -> IO:
    """An open file that holds the lock `path` of `what` until the file is closed.

    If another process holds the lock, prints a line and waits, or raises Busy without `wait`.
    """
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            file.close()
            raise Busy(what) from None
        print(f"another process works in {what}; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:  # some network filesystems have no locks
        print(
            f"{what} cannot be locked ({error.strerror}); continuing without a lock",
            file=sys.stderr,
        )
    return file


class WorkDir:
    """State of one long job, in numbered files that are written atomically.

    `WorkDir(path, fingerprint)` is a context manager that holds a lock. A second process with the
    same folder waits until the first one ends, or raises Busy without `wait`. If several
    processes train one model, only the first has the lock and saves (`lock=False` for the others).
    Only the two newest states are kept.
    """

    def __init__(
        self, path: str | os.PathLike, fingerprint: str, lock: bool = True, wait: bool = True
    ):
        self.path = Path(path) / fingerprint
        self._locks, self._waits = lock, wait
        self._lock = None

    def __enter__(self) -> WorkDir:
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._locks:
            return self
        self._lock = hold_lock(self.path / "lock", self.path, self._waits)
        for left in self.path.glob("partial-*"):  # of a save that was killed
            left.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def save(self, position: int, write: Callable[[Path], None]) -> None:
        """Save state `position` (for example images seen) by `write(path)`, then prune."""
        with atomic_path(self._name(position)) as path:
            write(path)
        for old in self._states()[:-2]:
            old.unlink()

    def clear(self) -> None:
        """Remove every state."""
        for path in self._states():
            path.unlink()

    def load(self, read: Callable[[Path], Any]) -> Any | None:
        """The newest state that `read(path)` can read, or None. Unreadable ones are removed.

        An OSError or a MemoryError is raised and removes nothing, since a failing disk or too
        little memory says nothing about the state.
        """
        for path in reversed(self._states()):
            try:
                return read(path)
            except (OSError, MemoryError):
                raise
            except Exception as error:  # a torn file raises whatever its reader raises
                reason = first_line(error)
                print(f"{path} is unreadable ({reason}); using the one before", file=sys.stderr)
                path.unlink()
        return None

    def _name(self, position: int) -> Path:
        return self.path / f"state-{position:014d}"

    def _states(self) -> list[Path]:
        return sorted(self.path.glob("state-*"))
