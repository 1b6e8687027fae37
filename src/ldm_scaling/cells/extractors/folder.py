"""Configurations of networks whose folders a study names."""

from __future__ import annotations

from typing import Any, TypeVar

from ...jobs.cli import InputError, first_line
from ...study.metrics import FeatureNetwork

Config = TypeVar("Config", bound=Any)


def configuration(own: FeatureNetwork, published: Config) -> Config:
    """What the folder says of its network; before it is there, the published configuration.

    Raises InputError if the folder's cannot be read.
    """
    path = own.weights and own.weights / "config.json"
    if not (path and path.exists()):
        return published
    try:
        return type(published).from_pretrained(path.parent, local_files_only=True)
    except Exception as error:  # whatever transformers raises
        reason = first_line(error)
        raise InputError(
            f"metrics.extractors: {own.name}: {path} cannot be read ({reason})"
        ) from None
