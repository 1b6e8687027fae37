"""Where downloads lie: `resources/`, filled by rule prefetch, read by all else without network.

Free of torch, since the Snakefile's rules name these files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

RESOURCES = Path("resources")


def local_folder(
    path_or_id: str, revision: str | None, kind: Literal["models", "datasets"] = "models"
) -> Path:
    """The folder of something that is a folder (no revision) or a hub id at a pinned revision."""
    if revision is None:
        return Path(path_or_id)
    return RESOURCES / "hub" / kind / path_or_id.replace("/", "--") / revision
