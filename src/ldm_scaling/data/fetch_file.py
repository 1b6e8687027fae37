"""Download one file, and keep it only if it has the expected SHA-256.

The bytes so far are in `partial-NAME` beside the file. After an interruption the same command
continues there. A complete file is only checked, also one that was copied from elsewhere.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import httpx2

from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.workdir import file_sha256, hold_lock, write_text
from .tries import Failure, persist, say

TIMEOUT = 60
"""seconds without data after which a try fails"""


def fetch(url: str, sha256: str, out: Path) -> None:
    """Download `url` to `out`, after the bytes that are already there.

    Raises InputError with a remedy if the address gives no file or another one, if there is no
    network after several tries, or too little disk space.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"partial-{out.name}")
    lock = out.with_name(f"partial-{out.name}.lock")
    with hold_lock(lock, out):
        if not out.exists() or file_sha256(out) != sha256:
            try:
                persist(lambda: _receive(url, sha256, partial, out))
            except Failure as failure:
                raise InputError(
                    f"{out}: {url} could not be fetched ({failure}); check the network and"
                    " HTTPS_PROXY and run the same command again, which continues, or copy the file"
                    " from another machine"
                ) from None
            _accept(url, sha256, partial, out)
        lock.unlink(missing_ok=True)


def _receive(url: str, sha256: str, partial: Path, out: Path) -> None:
    """One try to download the missing bytes of `partial`."""
    begun = partial.stat().st_size if partial.exists() else 0
    validator = _validator_of(partial)
    headers = {"Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
        if validator.exists():
            headers["If-Range"] = validator.read_text(encoding="utf-8")
    try:
        with httpx2.stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT
        ) as response:
            if begun and response.status_code == 416 and file_sha256(partial) == sha256:
                return  # killed between the last byte and the check
            start = _start(response, begun, partial, url)
            if start == 0:
                partial.write_bytes(b"")
                _remember(response, validator)
            _write(response, start, partial, out)
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise InputError(f"{url} is not an address ({error}); write http:// or https://") from None
    except httpx2.RequestError as error:
        now = partial.stat().st_size if partial.exists() else 0
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Failure(reason, progress=now > begun) from None


def _start(response: httpx2.Response, begun: int, partial: Path, url: str) -> int:
    """The position of the response's first byte: `begun`, or 0 if the server starts again."""
    status = response.status_code
    if status == 200:
        return 0
    if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
        return begun
    if begun and status in (206, 416):  # what is here does not fit what is there
        partial.unlink()
        raise Failure(f"{url} cannot be continued at byte {begun}; starting anew")
    reason = f"HTTP status {status} {response.reason_phrase}"
    if status in (408, 429) or status >= 500:
        raise Failure(reason)
    raise InputError(f"{url} gives no file ({reason}); copy it from another machine")


def _write(response: httpx2.Response, start: int, partial: Path, out: Path) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    free = shutil.disk_usage(partial.parent).free
    if total and total - start > free:
        raise InputError(
            f"{out}: {(total - start) / 1e9:.3g} GB are missing and {free / 1e9:.3g} GB of disk are"
            " free; free some, or make resources a link to a larger disk"
        )
    progress = None
    if total and total > 10**6:
        progress = Progress(f"MB of {out.name}", total // 10**6, start // 10**6)
    with partial.open("ab") as file:
        for chunk in response.iter_raw():
            file.write(chunk)
            if progress:
                progress.update(file.tell() // 10**6)


def _remember(response: httpx2.Response, validator: Path) -> None:
    """Save the identifier of this version of the file, for the header If-Range."""
    etag = response.headers.get("ETag", "W/")
    value = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
    if value:
        write_text(validator, value)
    else:
        validator.unlink(missing_ok=True)


def _validator_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _accept(url: str, sha256: str, partial: Path, out: Path) -> None:
    """Give the file its name if it has the expected content; otherwise remove it."""
    found = file_sha256(partial)
    _validator_of(partial).unlink(missing_ok=True)
    if found != sha256:
        partial.unlink()
        raise InputError(
            f"{out}: {url} has unexpected content (SHA-256 {found}, not {sha256});"
            " run the same command again, or copy the file from another machine"
        )
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, out)


@command
def main(
    url: Annotated[str, "address, http or https"],
    sha256: Annotated[str, "of the whole file"],
    out: Annotated[Path, "file to write"],
) -> None:
    say(f"fetching {url}")
    fetch(url, sha256.lower(), out)
    print(f"{out} is complete, {out.stat().st_size / 1e6:.4g} MB")
