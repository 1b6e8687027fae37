"""What every command shares: the spec argument, one-line errors, progress, walltime slices.

Exit codes: 0 done; 2 wrong input, one line on stderr; 75 stopped by `--max-seconds` or SIGTERM
with its state saved, so that the same command continues.
"""

from __future__ import annotations

import argparse
import errno
import io
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..study.fields import Strict
from .progress import Reading

EXIT_WRONG_INPUT = 2
EXIT_CONTINUE = 75

SpecType = TypeVar("SpecType", bound=Strict)
Number = TypeVar("Number", int, float)


class InputError(ValueError):
    """Input that a command cannot use. The message is one line: the file or key, and a remedy."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, on one line of reasonable length."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


class SliceEnded(Exception):
    """The time slice is over; state is saved."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        _fail(f"{message} (--help explains)")


def parser(description: str | None, spec: type[Strict] | None = None) -> argparse.ArgumentParser:
    """An argument parser; with `spec`, it has the argument `--spec`."""
    raw = argparse.RawDescriptionHelpFormatter
    result = _Parser(prog=_program(), description=description, formatter_class=raw)
    if spec is not None:
        result.add_argument(
            "--spec",
            required=True,
            type=lambda text: parse_spec(spec, text),
            help=f"JSON of {spec.__name__}, or @FILE: everything that decides the result",
        )
    return result


def _program() -> str | None:
    """How a user started this module, as Python 3.14 has it; argparse would say __main__.py."""
    module = sys.modules["__main__"].__spec__
    return module and f"python -m {module.name.removesuffix('.__main__')}"


def add_work_dir(to: argparse.ArgumentParser) -> None:
    """Add the arguments of a job that resumes."""
    to.add_argument("--work-dir", required=True, type=Path, help="where state is kept")
    to.add_argument(
        "--max-seconds",
        type=positive(float),
        help=f"save and exit with code {EXIT_CONTINUE} after so many seconds",
    )


def add_gpus(to: argparse._ActionsContainer) -> None:
    """Add the argument that `check_gpus` checks."""
    to.add_argument("--gpus", type=int, default=0, help="stop if torch sees fewer GPUs")


def add_batch(to: argparse.ArgumentParser, default: int) -> None:
    """Add the argument of how many images a job samples at a time."""
    to.add_argument(
        "--batch", type=positive(int), default=default, help="images at a time (%(default)s)"
    )


def positive(kind: type[Number]) -> Callable[[str], Number]:
    """An argument type: a number above 0."""

    def parse(text: str) -> Number:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} must be above 0 and finite")
        return value

    parse.__name__ = kind.__name__  # argparse names it in "invalid int value"
    return parse


def fraction(text: str) -> float:
    """An argument type: a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be between 0 and 1")
    return value


def parse_spec(kind: type[SpecType], text: str) -> SpecType:
    """A spec of a kind, or of one of a union, from its JSON text, or from @FILE with that text.

    Raises argparse.ArgumentTypeError if the text is not valid.
    """
    try:
        if text[:1] == "@":
            text = Path(text[1:]).read_text(encoding="utf-8")
        return TypeAdapter(kind).validate_json(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text[1:]}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise argparse.ArgumentTypeError(f"{key}: {message}" if key else message) from None


def run(main: Callable[[], None]) -> None:
    """Run a command. Wrong input, missing files and a full disk give one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a caption may have letters that a locale lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except InputError as error:
        _fail(str(error))
    except SliceEnded as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_CONTINUE)
    except BrokenPipeError:  # who reads the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if _disk_is_full(error):
            _fail("no disk space left; free some and run the same command again")
        if isinstance(error, OSError) and error.filename is not None:
            _fail(f"{error.filename}: {error.strerror}")
        raise


def _disk_is_full(error: BaseException | None) -> bool:
    # torch raises an error of its own while it handles the system's; safetensors quotes it
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(EXIT_WRONG_INPUT)


class Slice:
    """A walltime slice: `ended()` is true after `max_seconds` or once SIGTERM has come."""

    def __init__(self, max_seconds: float | None):
        self._deadline = time.monotonic() + max_seconds if max_seconds is not None else None
        self._terminated = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True

    def ended(self) -> bool:
        """Whether to save and stop now."""
        return self._terminated or (
            self._deadline is not None and time.monotonic() > self._deadline
        )


class Progress:
    """Progress on stderr: a tqdm bar on a terminal, otherwise a line every `every_seconds`."""

    def __init__(self, label: str, total: int, start: int = 0, every_seconds: float = 30):
        from tqdm import tqdm

        self._label, self._total, self._start, self._done = label, total, start, start
        self._every = every_seconds
        self._began = self._last = time.monotonic()
        self._bar = tqdm(total=total, initial=start, desc=label) if sys.stderr.isatty() else None

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` of the total are done."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._done)
        self._done = done
        now = time.monotonic()
        if self._bar is None and (now - self._last >= self._every or done >= self._total):
            rate = (done - self._start) / max(now - self._began, 1e-9)
            left = (self._total - done) / rate if rate else 0
            reading = Reading(self._label, done, self._total, rate, left, note)
            print(reading, file=sys.stderr, flush=True)
            self._last = now


def batches(total: int, size: int, start: int = 0) -> Iterator[slice]:
    """Consecutive slices of `size` from `start` to `total`."""
    for begin in range(start, total, size):
        yield slice(begin, min(begin + size, total))
