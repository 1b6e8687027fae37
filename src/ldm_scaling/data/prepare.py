"""Split a data source by concept and pack every split's images and captions.

A split is `{split}.safetensors` (images: uint8, [N, 3, S, S], in the order of the prompts) and
`{split}.csv` (index, concept, caption, name, and tone where the study has a share of skin tones).
Order and choice depend on the seed alone. A source of prompts alone gives only test.csv, in their
order; each prompt is its own concept.
"""

from __future__ import annotations

import importlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated

from ..jobs.arrays import map_array, row_writer
from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.workdir import fingerprint, write_text
from ..kinds.sources import SOURCES
from ..study.data import Data, Evaluation, Splits
from ..study.metrics import FEWEST_CONCEPTS
from ..study.sampling import FEWEST_IMAGES
from ..workflow.specs.data import PrepareSpec
from .captions import csv_text
from .sources.prompts import prompts
from .sources.records import Record
from .sources.tones import drawn
from .spool import Spool
from .twins import twins

_LARGE = 1 / 20
"""of a held-out split"""
SPLITS = ("train", "validation", "test")
COLUMNS = ("index", "concept", "caption", "name")
TONE = "tone"
"""column of studies with a share of tones: 1 (light) to 5 (dark), or nothing"""


def drop_copies(records: list[Record], spool: Spool) -> list[Record]:
    """Add records to the spool; return those whose pixels were not there yet."""
    return take(iter(records), len(records), spool)


def take(records: Iterator[Record], count: int, spool: Spool) -> list[Record]:
    """The next `count` records with new pixels, or fewer if there are no more."""
    kept: list[Record] = []
    progress = Progress("reading images", count)
    while len(kept) < count and (record := next(records, None)) is not None:
        if spool.add(record):
            kept.append(record)
            progress.update(len(kept))
    return kept


def split_by_concept(
    records: list[Record], splits: Mapping[str, int], limit: int | None, seed: int
) -> dict[str, list[Record]]:
    """Deal whole groups of concepts to test, then validation, then train, and shuffle each split.

    Groups of several concepts that would fill more than a twentieth of a held-out split are for
    training: a split of clock faces says little. A held-out split can be a little larger than asked
    for, since its last group is whole. For the same reason all splits together can be a little
    larger than `limit`.
    """
    generator = random.Random(seed)
    groups = defaultdict(list)
    for record in records:
        groups[record.group or record.concept].append(record)
    order = sorted(groups)
    generator.shuffle(order)
    result: dict[str, list[Record]] = {split: [] for split in SPLITS}
    limit = limit or len(records)
    taken = 0
    for group in order:
        if taken >= limit:
            break
        own, split = groups[group], "train"
        variants = len({record.concept for record in own}) > 1
        for name in ("test", "validation"):
            if len(result[name]) < splits[name]:
                split = "train" if variants and len(own) > splits[name] * _LARGE else name
                break
        result[split] += own
        taken += len(groups[group])
    for name in SPLITS:
        generator.shuffle(result[name])
    return result


def choose(spec: PrepareSpec, archive: Path | None, spool: Spool) -> dict[str, list[Record]]:
    """The records of every split, in order. Their pixels are in the spool.

    Source webdataset has no training split here, and adopted models have none at all. Raises
    InputError if there are too few images.
    """
    data, asked = spec.data, spec.data.splits
    if data.evaluation is not None:
        result = _held_out(spec, spool)
        if data.is_packed:
            result = {"train": _training(spec, archive, spool), **result}
    elif SOURCES[data.source].has_splits:
        parts = _module(data).records(data, spec.seed)
        test, rest = take(iter(parts["val2014"]), asked.test, spool), iter(parts["train2014"])
        validation = take(rest, asked.validation, spool)
        left = (data.max_images or len(spool) + len(parts["train2014"])) - len(spool)
        left = left if spec.training else 0
        result = {"train": take(rest, left, spool), "validation": validation, "test": test}
    else:
        kept = drop_copies(_records(spec, archive), spool)
        result = split_by_concept(kept, dict(asked), data.max_images, spec.seed)
    if not spec.training:
        result.pop("train")
    _check(result, data, asked, len(spool))
    return result


def _held_out(spec: PrepareSpec, spool: Spool) -> dict[str, list[Record]]:
    source, asked = spec.data.evaluation, spec.data.splits
    assert source  # `records_of` asks only then
    if SOURCES[source.source].has_splits:
        parts = _module(source).records(source, spec.seed)
        test = take(iter(parts["val2014"]), asked.test, spool)
        return {"validation": take(iter(parts["train2014"]), asked.validation, spool), "test": test}
    kept = drop_copies(_module(source).records(source, None), spool)
    found = split_by_concept(kept, dict(asked), None, spec.seed)
    return {name: found[name] for name in ("validation", "test")}


def _training(spec: PrepareSpec, archive: Path | None, spool: Spool) -> list[Record]:
    data = spec.data
    if SOURCES[data.source].has_splits:
        part = _module(data).records(data, spec.seed)["train2014"]
        return take(iter(part), data.max_images or len(part), spool)
    kept = drop_copies(_records(spec, archive), spool)
    return split_by_concept(kept, {"test": 0, "validation": 0}, data.max_images, spec.seed)["train"]


def _records(spec: PrepareSpec, archive: Path | None) -> list[Record]:
    found, tones = _module(spec.data).records(spec.data, archive), spec.data.tones
    return drawn(found, tones.share, spec.seed) if tones else found


def _module(source: Data | Evaluation) -> ModuleType:
    return importlib.import_module(f"{__package__}.sources.{source.source}")


def _check(result: dict[str, list[Record]], data: Data, asked: Splits, different: int) -> None:
    if "train" in result and not result["train"]:
        raise InputError(
            f"data.splits: {asked.test + asked.validation} images are held out, but"
            f" {data.path or 'the source'} has only {different} different ones"
            f" (data.max_images: {data.max_images}); nothing is left for training."
            f" {_concepts(result.values())}"
        )
    source = (data.evaluation or data).path or "the source"
    for split, count in asked:
        records = result[split]
        if len(records) < count:
            raise InputError(
                f"data.splits.{split}: {count} images are asked for, but {source} has only"
                f" {len(records)} different ones for it. {_concepts(result.values())}"
            )
        found = len({record.concept for record in records})
        if len(records) >= FEWEST_IMAGES and found < FEWEST_CONCEPTS:
            raise InputError(
                f"data.splits.{split}: its {len(records)} images of {source} have only {found}"
                f" concepts, and the metrics need {FEWEST_CONCEPTS}. {_concepts([records])}"
            )


def _concepts(splits: Iterable[list[Record]]) -> str:
    """What a user who has too few concepts needs to know."""
    records = [record for split in splits for record in split]
    found = len({record.concept for record in records})
    return (
        f"All images of a concept go to one split, and these {len(records)} images have {found}"
        f" concept{'s' * (found != 1)}: without a column concept, equal captions are one concept."
        " If images of one caption show different things, give each its own value in a column"
        " concept"
    )


def captions_csv(records: list[Record], tones: bool = False) -> str:
    """The captions of a split as CSV text; with `tones` that of each image, if it has one."""
    rows = [[index, r.concept, r.caption, r.name] for index, r in enumerate(records)]
    if not tones:
        return csv_text(COLUMNS, rows)
    shown = ["" if r.tone is None else r.tone for r in records]
    rows = [[*row, tone] for row, tone in zip(rows, shown, strict=True)]
    return csv_text((*COLUMNS, TONE), rows)


def prompts_csv(data: Data, n: int) -> str:
    """The prompts as CSV text: a prompt is its own concept, and named by file and line.

    Raises InputError if they are fewer than n.
    """
    found = prompts(data, n).items()
    rows = [[index, own, own, f"{data.path}:{line}"] for index, (line, own) in enumerate(found)]
    return csv_text(COLUMNS, rows)


@command
def main(
    spec: PrepareSpec,
    out: Annotated[Path, "folder to write the splits to"],
    archive: Annotated[Path | None, "zip of source emoji"] = None,
) -> None:
    if not spec.data.has_images:
        write_text(out / "test.csv", prompts_csv(spec.data, spec.data.splits.test))
        return
    size = spec.data.image_size
    # beside the output, where there must be room; not in it, so that a failure leaves no folder
    beside = next(folder for folder in out.absolute().parents if folder.is_dir())
    with Spool(beside, size, spec.clean_resize) as spool:
        splits = choose(spec, archive, spool)
        for split, chosen in splits.items():
            text = captions_csv(chosen, tones=spec.data.tones is not None)
            content = fingerprint(spec, spool.content(), split, text)
            arrays = {"images": ("uint8", (len(chosen), 3, size, size))}
            with row_writer(out / f"{split}.safetensors", arrays, content) as writer:
                for row, images in spool.batches(chosen):
                    writer.write("images", row, images)
            write_text(out / f"{split}.csv", text)
        counts = ", ".join(f"{len(chosen)} {split}" for split, chosen in splits.items())
        read = len(spool) + spool.copies
        print(f"{read} images, {spool.copies} exact copies dropped: {counts}")
    for split in ("validation", "test") if "train" in splits else ():
        held_out, training = (
            map_array(out / f"{name}.safetensors", "images") for name in (split, "train")
        )
        found = twins(held_out, training)
        print(f"{split}: {found / len(held_out):.1%} of the images have a near twin in training")
