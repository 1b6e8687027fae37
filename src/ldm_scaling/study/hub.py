"""Networks and data sets of others: how studies name them, and where their files are.

Rule prefetch downloads them to `resources/`. All other rules read them there without a network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from ..kinds.extractors import EXTRACTORS
from .fields import Strict

RESOURCES = Path("resources")
REPOSITORY = Path(__file__).parents[3]
"""folder of the Snakefile, config.yaml and pretrained/"""
MARKER = "prefetched.json"
"""file that is written last into the folder of a download: its files, their sizes and hashes"""

INCEPTION = EXTRACTORS["inception_v3"].weights
"""file of Inception-v3 for FID, below RESOURCES"""

WORD_VECTORS = "word-vectors"
"""text encoder that comes from a package: its name in studies, and below RESOURCES"""
WORD_VECTORS_FILES = [
    RESOURCES / WORD_VECTORS / name
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
]
"""the first file is written last, and names what was fetched"""


class BuiltIn(NamedTuple):
    """A text encoder that a study names without a folder or hub id."""

    width: int
    layers: int


BUILT_IN_ENCODERS = {
    "minilm-l6": BuiltIn(width=384, layers=6),
    "minilm-l3": BuiltIn(width=384, layers=3),
    WORD_VECTORS: BuiltIn(width=300, layers=0),
}
"""built-in text encoders by the value of `pretrained`"""

Kind = Literal["models", "datasets"]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""full commit of a hub repository; a branch or a tag can move"""


def local_folder(path_or_id: str, revision: str | None, kind: Kind = "models") -> Path:
    """The folder of a download, or without a revision the folder itself.

    A model's folder is looked for in the working directory, then in the repository.
    """
    if revision is None:
        folder, shipped = Path(path_or_id), REPOSITORY / path_or_id
        found_there = kind == "models" and not folder.exists() and shipped.is_dir()
        return shipped if found_there else folder
    return RESOURCES / "hub" / kind / path_or_id.replace("/", "--") / revision


def hub_id(folder_name: str) -> str:
    """The hub id ORG/NAME of a folder ORG--NAME. No hub id has two hyphens in a row."""
    return folder_name.replace("--", "/")


def marker(path_or_id: str, revision: str, kind: Kind = "models") -> Path:
    """The file that exists when a hub id is downloaded completely."""
    return local_folder(path_or_id, revision, kind) / MARKER


def awaited(pretrained: str, revision: str | None) -> list[Path]:
    """Files that exist when a text encoder is downloaded; none if it needs no download."""
    if revision:
        return [marker(pretrained, revision)]
    return WORD_VECTORS_FILES[:1] if pretrained == WORD_VECTORS else []


def revision_has_an_id(section: Any) -> Any:
    """Check a section of the study that has `pretrained` and `revision`.

    Raises ValueError if there is a revision although `pretrained` is not a hub id.
    """
    named = section.pretrained
    if section.revision and named and not re.fullmatch(r"[\w.-]+/[\w.-]+", named):
        raise ValueError(f"revision: {named} is not a hub id (ORG/NAME); set revision: null")
    return section


def fits_built_in(section: Any) -> Any:
    """Check a section of the study that describes a text encoder.

    Raises ValueError if a built-in encoder has another width, or too few layers.
    """
    if known := BUILT_IN_ENCODERS.get(section.pretrained):
        if section.width != known.width:
            raise ValueError(
                f"width: {section.pretrained} makes embeddings {known.width} wide, not"
                f" {section.width}; set width: {known.width}"
            )
        if (section.layers or 0) > known.layers:
            raise ValueError(
                f"layers: {section.pretrained} has {known.layers} layers; set layers: "
                f"{known.layers} or fewer, not {section.layers}"
            )
    return section


class Pretrained(Strict):
    """A model of others that scores images."""

    NAMES: ClassVar[tuple[str, ...]]
    """files that decide the scores: architecture, preprocessing and weights"""

    pretrained: str
    """folder of the model, or a hub id with its revision"""
    revision: Revision | None = None
    """full commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return local_folder(self.pretrained, self.revision)

    @property
    def files(self) -> list[Path]:
        """Paths of `NAMES`."""
        return [self.folder / name for name in self.NAMES]

    @property
    def inputs(self) -> list[Path]:
        """Files that must exist before images are scored."""
        return [marker(self.pretrained, self.revision)] if self.revision else self.files
