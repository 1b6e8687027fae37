"""The folder of a pretrained network that the study names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..jobs.cli import InputError
from ..study.hub import RESOURCES, local_folder, marker

LFS_POINTER = b"version https://git-lfs"
"""first bytes of a file that Git LFS has not replaced by its content"""


def find(
    network: str,
    pretrained: str,
    revision: str | None,
    part: str = "",
    files: Iterable[Path] = (),
) -> Path:
    """The folder of `pretrained`, which is the `network` of a study, such as latents.autoencoder.

    `part` is the network's folder in a pipeline. Raises InputError, with the remedy, if a hub id is
    not downloaded, a folder is not there, is a whole pipeline, or has pointers of Git LFS, or if
    one of the files that it must have is missing.
    """
    folder = local_folder(pretrained, revision)
    if revision and not marker(pretrained, revision).exists():
        raise InputError(
            f"{network} {pretrained}: revision {revision} is not in {RESOURCES}/hub; run:"
            " snakemake --cores 1 prefetch (with the study's --configfile)"
        )
    if not folder.is_dir():
        raise InputError(
            f"{network} {pretrained}: no such folder; for a hub id, set its revision to a commit"
        )
    if part and (folder / "model_index.json").exists() and (folder / part).is_dir():
        raise InputError(
            f"{network} {pretrained}: is the folder of a whole pipeline; name {folder / part}"
        )
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise InputError(
                    f"{network} {pretrained}: {path.name} is a pointer of Git LFS, not the file"
                    f" itself; run git lfs pull in {folder}"
                )
    if missing := [path for path in files if not path.exists()]:
        raise InputError(f"{network}: {missing[0]} is missing; the folder must have it")
    return folder


def load_frozen(kind: Any, folder: Path | None, device: Any) -> Any:
    """A network of a class of transformers: float32, without gradients, on a device.

    Raises whatever transformers raises.
    """
    network = kind.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype="float32"
    )
    return network.eval().requires_grad_(False).to(device)
