"""Split a data source by concept and pack every split's images and captions.

A split is `{split}.safetensors` (images: uint8, [N, 3, S, S], in the order of the prompts) and
`{split}.csv` (index, concept, caption, name). Order and choice depend on the seed alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from ..cli import InputError, Progress, parser, run
from ..shards import write_arrays
from ..specs import PrepareSpec
from ..study import Data
from ..workdir import fingerprint, write_text
from . import emoji, imagefolder
from .records import Record, load_pixels

SOURCES = {"emoji": emoji.records, "imagefolder": imagefolder.records}
SPLITS = ("train", "validation", "test")


def drop_copies(records: list[Record], size: int) -> tuple[list[Record], dict[str, np.ndarray]]:
    """Records whose pixels have not been seen before, and the pixels by name."""
    kept, pixels, seen = [], {}, set()
    progress = Progress("reading images", len(records))
    for number, record in enumerate(records, start=1):
        image = load_pixels(record, size)
        content = image.tobytes()
        if content not in seen:
            seen.add(content)
            kept.append(record)
            pixels[record.name] = image
        progress.update(number)
    return kept, pixels


def split_by_concept(records: list[Record], data: Data, seed: int) -> dict[str, list[Record]]:
    """Deal whole concepts to test, then validation, then train; shuffle each split.

    A held-out split may be a little larger than asked, by the last concept's other images.
    Raises InputError if nothing would be left for training.
    """
    generator = random.Random(seed)
    concepts = defaultdict(list)
    for record in records:
        concepts[record.concept].append(record)
    order = sorted(concepts)
    generator.shuffle(order)
    result: dict[str, list[Record]] = {split: [] for split in SPLITS}
    limit = data.max_images or len(records)
    taken = 0
    for concept in order:
        if taken >= limit:
            break
        split = "train"
        for name in ("test", "validation"):
            if len(result[name]) < getattr(data.splits, name):
                split = name
                break
        result[split] += concepts[concept]
        taken += len(concepts[concept])
    asked = data.splits.test + data.splits.validation
    if not result["train"]:
        raise InputError(
            f"data.splits: {asked} images are held out, but"
            f" {data.path or 'the source'} has only {len(records)}"
            f" different ones (data.max_images: {data.max_images}); nothing is left for training"
        )
    for name in SPLITS:
        generator.shuffle(result[name])
    return result


def captions_csv(records: list[Record]) -> str:
    """The captions of a split as CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "concept", "caption", "name"])
    for index, record in enumerate(records):
        writer.writerow([index, record.concept, record.caption, record.name])
    return text.getvalue()


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, PrepareSpec)
    arguments.add_argument("--archive", type=Path, help="zip of source emoji")
    arguments.add_argument("--out", required=True, type=Path, help="folder to write the splits to")
    options = arguments.parse_args()
    spec: PrepareSpec = options.spec
    records = SOURCES[spec.data.source](spec.data, options.archive)
    kept, pixels = drop_copies(records, spec.data.image_size)
    splits = split_by_concept(kept, spec.data, spec.seed)
    source = hashlib.sha256()
    for image in pixels.values():
        source.update(image.tobytes())
    for split, chosen in splits.items():
        images = np.stack([pixels[record.name] for record in chosen])
        content = fingerprint(spec, source.hexdigest(), split, captions_csv(chosen))
        write_arrays(options.out / f"{split}.safetensors", {"images": images}, content)
        write_text(options.out / f"{split}.csv", captions_csv(chosen))
    counts = ", ".join(f"{len(chosen)} {split}" for split, chosen in splits.items())
    print(f"{len(records)} images, {len(records) - len(kept)} exact copies dropped: {counts}")


if __name__ == "__main__":
    run(main)
