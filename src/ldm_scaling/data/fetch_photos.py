"""Fetch twelve photographs, a small set to measure super-resolution on, into a folder.

The Debian package mate-backgrounds (GPL-2+) has them. apt downloads the package at a pinned
version; it is not installed, and of its files only the photographs and its copyright file are
taken, each at a pinned hash. The folder appears with all of them or not at all.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ..jobs.cli import InputError, parser, run
from ..workflow.downloads import PHOTOS, PHOTOS_MARKER
from .tries import Failure, persist, say

PACKAGE = "mate-backgrounds=1.26.0-1"
NOT_OFFERED = ("Unable to locate", "was not found", "Can't find a source", "No packages found")
"""what apt says of a package that another try would not find either"""


def member(name: str) -> str:
    """Where the package has a file."""
    if name == PHOTOS_MARKER.name:
        return "./usr/share/doc/mate-backgrounds/copyright"
    return f"./usr/share/backgrounds/mate/nature/{name}"


def download(folder: Path, out: Path) -> Path:
    """The package, downloaded into a folder.

    Raises InputError with apt's reason if it is not offered, or if no try succeeds.
    """
    remedy = (
        f"copy {out} from another machine, or put photographs into a folder of another name and"
        " name that one in superres.validation.path"
    )
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise InputError(
                f"{out}: {program} is missing, which fetches {PACKAGE} of Debian 12; {remedy}"
            )

    def attempt() -> None:
        done = subprocess.run(
            ["apt-get", "download", PACKAGE],
            cwd=folder,
            env=os.environ | {"LC_ALL": "C"},  # NOT_OFFERED is English
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return
        errors = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
        reason = (errors or done.stderr.splitlines() or ["no message"])[0].removeprefix("E: ")
        if any(words in reason for words in NOT_OFFERED):
            raise InputError(
                f"{out}: apt does not offer {PACKAGE} of Debian 12 ({reason}); on Debian 12 run"
                f" apt-get update, elsewhere {remedy}"
            )
        raise Failure(reason)

    say(f"fetching {PACKAGE} with apt, 47 MB")
    try:
        persist(attempt)
    except Failure as failure:
        raise InputError(
            f"{out}: apt could not fetch {PACKAGE} ({failure}); check the network and apt's proxy"
            f" (http_proxy), or run apt-get update if its lists are old, or {remedy}"
        ) from None
    return next(folder.glob("*.deb"))


def unpack(package: Path) -> dict[str, bytes]:
    """The files that are wanted, by name. Raises InputError if one is missing or another."""
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().replace("\n", " ")
        raise InputError(f"{PACKAGE} is no package ({reason}); run the same command again")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        members = {info.name: info for info in archive if info.isfile()}
        for name, sha256 in PHOTOS.items():
            if member(name) not in members:
                raise InputError(f"{PACKAGE} has no {member(name)}")
            found[name] = archive.extractfile(members[member(name)]).read()
            if (hashed := hashlib.sha256(found[name]).hexdigest()) != sha256:
                raise InputError(f"{PACKAGE}: {name} has the hash {hashed}, not {sha256}")
    return found


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--out", required=True, type=Path, help="folder to write")
    out = arguments.parse_args().out
    others = (
        [path.name for path in out.iterdir() if path.name not in PHOTOS] if out.is_dir() else []
    )
    if others:  # of a user, who would lose them, or have them cut with the fetched ones
        raise InputError(
            f"{out} is the folder of fetched photographs and has {min(others)}; move what is yours"
            " to a folder of another name, and name that one in superres"
        )
    with tempfile.TemporaryDirectory() as folder:
        files = unpack(download(Path(folder), out))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partial-photos-", dir=out.parent) as folder:
        whole = Path(folder, "photos")
        whole.mkdir()
        for name, content in files.items():
            with (whole / name).open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())
        if out.is_dir():  # only an empty folder can be replaced
            for path in out.iterdir():
                path.unlink()
        os.replace(whole, out)
    print(f"{len(PHOTOS) - 1} photographs in {out}")


if __name__ == "__main__":
    run(main)
