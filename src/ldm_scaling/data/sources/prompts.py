"""Source `prompts`: a text file with one prompt a line, and no images."""

from __future__ import annotations

from ...jobs.cli import InputError
from ...study.data import Data
from ...study.metrics import FEWEST_CONCEPTS
from ..captions import not_utf8


def prompts(data: Data, n: int) -> dict[int, str]:
    """The prompts by their line, from 1 on; lines without one are left out.

    Raises InputError if they are fewer than n, or too few of the first n are different.
    """
    path = data.folder
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    except OSError as error:
        raise InputError(
            f"data.evaluation.path: {path} cannot be read ({error.strerror}); name a text file with"
            " one prompt a line"
        ) from None
    lines = enumerate(map(str.strip, text.split("\n")), start=1)
    found = {number: line for number, line in lines if line}
    if len(found) < n:
        raise InputError(
            f"sampling.n: {n} prompts are asked for, but {path} has only {len(found)}; add some, or"
            " lower it"
        )
    different = len(set(list(found.values())[:n]))
    if different < FEWEST_CONCEPTS:
        raise InputError(
            f"{path}: only {different} of its first {n} prompts are different, and intervals need"
            f" {FEWEST_CONCEPTS}"
        )
    return found
