"""Choose the subjects of DreamBooth and pack their images.

Subjects are folders of images below one folder, or by default emoji of the test split. Such an
emoji exists in every style, and its name has one or two plain words. The last word is the class; it
is also the last word of a name in the training captions. So the models have seen the class and not
the subject. Writes `subjects.safetensors` (images: uint8, [N, 3, S, S]; subject: int64, [N], the
number of the subject) and `subjects.csv` (subject, name, class, images).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image

from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.workdir import file_hash, fingerprint, write_text
from ..workflow.specs.dreambooth import SubjectsSpec
from .captions import csv_text, read_column, read_csv
from .sources.emoji import STYLE_WORDS
from .sources.records import Record, load_pixels

KINDS = {".png", ".jpg", ".jpeg", ".webp"}
"""suffixes of images in a subject's folder"""
CLASSES = "subjects.csv"
"""file beside the subjects' folders, with columns subject and class"""


@dataclass(frozen=True)
class Subject:
    """A thing with a few images."""

    name: str
    noun: str
    """its class"""
    images: np.ndarray
    """uint8, [n, 3, S, S]"""


def emoji_subjects(spec: SubjectsSpec, folder: Path) -> list[Subject]:
    """The chosen concepts of the test split in `folder`, with their drawings in every style.

    Raises InputError if fewer concepts qualify than are asked for.
    """
    columns = [read_column(folder / "test.csv", name) for name in ("concept", "caption")]
    drawings, names = defaultdict(list), {}
    for row, (concept, caption) in enumerate(zip(*columns, strict=True)):
        drawings[concept].append(row)
        names[concept] = _without_style(caption)
    captions = read_column(folder / "train.csv", "caption")
    known = {name.split()[-1] for name in map(_without_style, captions) if name}
    able = [
        concept
        for concept in sorted(drawings)
        if len(drawings[concept]) == len(spec.styles)
        and re.fullmatch(r"[a-z]+( [a-z]+)?", names[concept])
        and names[concept].split()[-1] in known
    ]
    if len(able) < spec.subjects:
        raise InputError(
            f"dreambooth.subjects: {spec.subjects} are asked for, but only {len(able)} concepts of"
            " the test split can be subjects; ask for fewer, or raise data.splits.test"
        )
    images = map_array(folder / "test.safetensors", "images")
    return [
        Subject(names[concept], names[concept].split()[-1], np.array(images[drawings[concept]]))
        for concept in random.Random(spec.seed).sample(able, spec.subjects)
    ]


def _without_style(caption: str) -> str:
    """An emoji's name; captions are NAME, STYLE."""
    ends = tuple(f", {words}" for words in STYLE_WORDS.values())
    return next((caption.removesuffix(end) for end in ends if caption.endswith(end)), caption)


def folder_subjects(spec: SubjectsSpec, folder: Path) -> list[Subject]:
    """The chosen folders below `folder` as subjects, in the order of their names.

    The class comes from subjects.csv, or else from the folder's name without digits: dog from
    dog6. Raises InputError if there are too few folders, or one has no image or no class.
    """
    if not folder.is_dir():
        raise InputError(
            f"dreambooth.path: {folder} is not a folder; make it, with one folder for each subject"
        )
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(found) < spec.subjects:
        raise InputError(
            f"dreambooth.subjects: {spec.subjects} are asked for, but {folder} has {len(found)}"
            " folders; ask for fewer"
        )
    nouns = _nouns(folder)
    chosen = sorted(random.Random(spec.seed).sample(found, spec.subjects))
    return [_of_folder(folder / name, nouns.get(name), spec.image_size) for name in chosen]


def _nouns(folder: Path) -> dict[str, str]:
    path = folder / CLASSES
    if not path.exists():
        return {}
    columns, rows = read_csv(path)
    if missing := {"subject", "class"} - set(columns):
        raise InputError(f"{path} has no column {min(missing)}; it needs subject and class")
    return {row["subject"]: row.get("class", "") for row in rows}


def _of_folder(folder: Path, noun: str | None, size: int) -> Subject:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS)
    if not paths:
        kinds = ", ".join(sorted(KINDS))
        raise InputError(f"{folder} has no image ({kinds}); add some, or remove the folder")
    noun = noun or " ".join(re.findall(r"[^\W\d_]+", folder.name))
    if not noun:
        raise InputError(
            f"{folder}: its name has no word for the class; write it in {folder.parent / CLASSES}"
        )
    records = [Record(folder.name, noun, str(path), partial(Image.open, path)) for path in paths]
    images = np.stack([load_pixels(record, size) for record in records])
    return Subject(folder.name, noun, images)


def subjects_csv(subjects: list[Subject]) -> str:
    """The subjects as CSV text."""
    rows = [[number, s.name, s.noun, len(s.images)] for number, s in enumerate(subjects)]
    return csv_text(["subject", "name", "class", "images"], rows)


@command
def main(
    spec: SubjectsSpec,
    images_out: Annotated[Path, "subjects.safetensors"],
    table_out: Annotated[Path, "subjects.csv"],
    data: Annotated[Path | None, "folder of the splits, for emoji"] = None,
    folder: Annotated[Path | None, "folder of the subjects' folders"] = None,
) -> None:
    if data and not folder:
        subjects = emoji_subjects(spec, data)
        sources = [fingerprint_of(data / "test.safetensors")]
    elif folder and not data:
        subjects = folder_subjects(spec, folder)
        sources = [hashlib.sha256(one.images.tobytes()).hexdigest() for one in subjects]
    else:
        raise InputError("name one of --data and --folder (--help explains)")
    arrays = {
        "images": np.concatenate([subject.images for subject in subjects]),
        "subject": np.repeat(np.arange(len(subjects)), [len(s.images) for s in subjects]),
    }
    write_text(table_out, subjects_csv(subjects))
    content = fingerprint(spec, file_hash(table_out), *sources)
    write_arrays(images_out, arrays, content)
    print(", ".join(f"{subject.name} ({subject.noun})" for subject in subjects))
