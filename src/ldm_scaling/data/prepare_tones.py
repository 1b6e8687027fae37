"""Pack what the bias of tones is measured with: drawings of every tone, and prompts without one.

Writes tones.safetensors (images: uint8, [N, 3, S, S]) and tones.csv (index, concept, caption, name,
tone, split): every drawing of the concepts that have tones, whether or not a split does; tone 0 is
yellow. Writes balanced.safetensors, the training images with another share of light tones, in the
order of train.csv and with its captions. Writes prompts.csv (index, concept, caption, row), a line
for each image of a cell: captions of test images with a tone, in turn, and their rows in test.csv.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np

from ..jobs.arrays import fingerprint_of, map_array, row_writer, write_arrays
from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.workdir import file_hash, fingerprint, write_text
from ..workflow.specs.bias import TonesSpec
from .captions import csv_text, read_csv
from .prepare import COLUMNS, SPLITS, TONE
from .sources import emoji
from .sources.records import Record, load_pixels
from .sources.tones import drawn

Rows = list[dict[str, str]]


def every_drawing(
    spec: TonesSpec, archive: Path, splits: dict[str, Rows]
) -> list[tuple[Record, str]]:
    """Every drawing of the splits' concepts that have tones, with the split of its concept.

    Raises InputError if the archive is unusable.
    """
    of_concept = {row["concept"]: split for split, rows in splits.items() for row in rows}
    return [
        (record, of_concept[record.concept])
        for record in emoji.in_every_tone(spec.data, archive)
        if record.concept in of_concept
    ]


def replacements(spec: TonesSpec, drawings: list[Record], rows: Rows) -> dict[int, Record]:
    """The drawing that each row of train.csv with a tone has at the balanced share, by its row."""
    chosen = defaultdict(list)
    for record in drawn(drawings, spec.reference, spec.seed):
        chosen[record.concept, record.caption].append(record)
    found = {}
    for number, row in enumerate(rows):
        if row[TONE]:
            found[number] = chosen[row["concept"], row["caption"]].pop()
    return found


def prompts(spec: TonesSpec, rows: Rows) -> list[list[str | int]]:
    """The lines of prompts.csv, from those of test.csv. Raises InputError if no row has a tone."""
    first = {row["caption"]: number for number, row in reversed(list(enumerate(rows))) if row[TONE]}
    places = sorted(first.values())[: spec.prompts]
    if not places:
        raise InputError("data.splits.test: no test image has a tone; raise it or max_images")
    turns = itertools.islice(itertools.cycle(places), spec.n)
    return [
        [number, rows[place]["concept"], rows[place]["caption"], place]
        for number, place in enumerate(turns)
    ]


@command
def main(
    spec: TonesSpec,
    archive: Annotated[Path, "zip of source emoji"],
    splits: Annotated[Path, "folder of the splits"],
) -> None:
    """Write the four files beside the splits."""
    tables = {split: read_csv(splits / f"{split}.csv")[1] for split in SPLITS}
    drawings = every_drawing(spec, archive, tables)
    progress, size = Progress("reading images", len(drawings)), spec.data.image_size
    images = np.empty((len(drawings), 3, size, size), np.uint8)
    for number, (record, _) in enumerate(drawings):
        images[number] = load_pixels(record, size)
        progress.update(number + 1)
    rows = [
        [number, own.concept, own.caption, own.name, own.tone, split]
        for number, (own, split) in enumerate(drawings)
    ]
    table = csv_text((*COLUMNS, TONE, "split"), rows)
    train = splits / "train.safetensors"
    content = fingerprint(spec, table, fingerprint_of(train), file_hash(splits / "train.csv"))
    place = {own.name: number for number, (own, _) in enumerate(drawings)}
    of_training = [own for own, split in drawings if split == "train"]
    instead = replacements(spec, of_training, tables["train"])
    before = map_array(train, "images")
    with row_writer(
        splits / "balanced.safetensors", {"images": ("uint8", before.shape)}, content
    ) as writer:
        for row in range(len(before)):
            own = instead.get(row)
            image = before[row] if own is None else images[place[own.name]]
            writer.write("images", row, image[None])
    lines = prompts(spec, tables["test"])
    write_text(splits / "prompts.csv", csv_text(("index", "concept", "caption", "row"), lines))
    write_arrays(splits / "tones.safetensors", {"images": images}, content)
    write_text(splits / "tones.csv", table)
    captions = len({caption for _, _, caption, _ in lines})
    print(f"{len(drawings)} drawings of every tone; {captions} captions, {spec.n} images a cell")
