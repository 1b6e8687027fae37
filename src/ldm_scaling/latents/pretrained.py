"""Where a network of others lies that the study names."""

from __future__ import annotations

from pathlib import Path

from ..jobs.cli import InputError
from ..study.hub import RESOURCES, local_folder, marker


def find(network: str, pretrained: str, revision: str | None) -> Path:
    """The folder of `pretrained`, which is the `network` of a study, such as latents.autoencoder.

    Raises InputError, with the remedy, if a hub id is not downloaded or a folder is not there.
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
    return folder
