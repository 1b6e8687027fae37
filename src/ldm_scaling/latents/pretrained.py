"""Where a network of others lies that the study names."""

from __future__ import annotations

from pathlib import Path

from ..cli import InputError
from ..hub import awaited, local_folder


def find(section: str, pretrained: str, revision: str | None) -> Path:
    """The folder of `pretrained`, which `section` of the study names, such as latents.autoencoder.

    Raises InputError, with the remedy, if a download is missing or a folder is not there.
    """
    folder = local_folder(pretrained, revision)
    if not all(path.exists() for path in awaited(pretrained, revision)):
        missing = f"{pretrained} at {revision} is not in" if revision else f"{pretrained} is not in"
        place = folder.parents[2] if revision else folder.parent
        raise InputError(
            f"{section}.pretrained: {missing} {place}; run: snakemake --cores 1 prefetch (with the"
            " study's --configfile)"
        )
    if not folder.is_dir():
        raise InputError(
            f"{section}.pretrained: {pretrained}: no such folder; for a hub id, set"
            f" {section}.revision to a commit of it"
        )
    return folder
