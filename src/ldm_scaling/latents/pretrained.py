"""Where a network of others lies that the study names."""

from __future__ import annotations

from pathlib import Path

from ..cli import InputError
from ..hub import RESOURCES, local_folder, marker


def find(section: str, pretrained: str, revision: str | None) -> Path:
    """The folder of `pretrained`, which `section` of the study names, such as latents.autoencoder.

    Raises InputError, with the remedy, if a hub id is not downloaded or a folder is not there.
    """
    folder = local_folder(pretrained, revision)
    if revision and not marker(pretrained, revision).exists():
        raise InputError(
            f"{section}.pretrained: {pretrained} at {revision} is not in {RESOURCES}/hub; run:"
            " snakemake --cores 1 prefetch (with the study's --configfile)"
        )
    if not folder.is_dir():
        raise InputError(
            f"{section}.pretrained: {pretrained}: no such folder; for a hub id, set"
            f" {section}.revision to a commit of it"
        )
    return folder
