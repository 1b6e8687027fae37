"""Source `coco`: the files of COCO-2014, unpacked or in the published zip archives.

The test split comes from val2014 and the validation split from train2014, so that each can have
30,000 images; of a main source, the rest of train2014 is for training. An image is a concept, and
has one of its about five captions, chosen by the seed.
"""

from __future__ import annotations

import json
import random
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...jobs.cli import InputError, first_line
from ...study.data import Data, Evaluation
from .records import Record, open_packed, plain_text

ARCHIVES = {
    "annotations": "annotations_trainval2014.zip",
    "train2014": "train2014.zip",
    "val2014": "val2014.zip",
}
"""folders, and the zip archives that contain them"""
TRAIN_IMAGES = 82_783
"""images of the published train2014, for plans before it is downloaded"""

Reader = Callable[[str], bytes]
"""returns the content of a file by its path in the folder; raises OSError if it is missing"""


def records(source: Data | Evaluation, seed: int) -> dict[str, list[Record]]:
    """Records of both parts, `train2014` and `val2014`, each in an order that the seed decides.

    Raises InputError naming the file that is missing or wrong; images are not opened.
    """
    folder = source.folder
    if not folder.is_dir():
        raise InputError(
            f"{source.KEY}: {folder} is not a folder; docs/guide.md says what must be in it"
        )
    readers = {name: _reader(folder, name) for name in ARCHIVES}
    return {part: _part(folder, part, readers, seed) for part in ("train2014", "val2014")}


def _reader(folder: Path, name: str) -> Reader:
    archive = folder / ARCHIVES[name]
    if (folder / name).is_dir():
        return partial(_read_file, folder)
    if not archive.exists():
        raise InputError(f"{folder} has neither {name}/ nor {archive.name}; fetch one of them")
    try:
        return partial(_read_member, zipfile.ZipFile(archive))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive} is unusable ({error}); fetch it again") from None


def _read_file(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError:
        raise FileNotFoundError(f"it is not in {archive.filename}") from None
    except (EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(f"{archive.filename} is damaged: {error}") from None


def _part(folder: Path, part: str, readers: dict[str, Reader], seed: int) -> list[Record]:
    place = folder / "annotations" / f"captions_{part}.json"
    found = _annotations(place, readers["annotations"])
    captions = defaultdict(list)
    try:
        names = {image["id"]: f"{part}/{image['file_name']}" for image in found["images"]}
        for annotation in sorted(found["annotations"], key=lambda entry: entry["id"]):
            where = f"{place}, annotation {annotation['id']}: caption"
            caption = plain_text(annotation["caption"], where)
            captions[annotation["image_id"]].append(" ".join(caption.split()))
        order = sorted(names)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{place} does not have the layout of COCO's captions ({error!r}); fetch it again"
        ) from None
    random.Random(f"{seed} {part}").shuffle(order)
    result = []
    for number in order:
        written = list(filter(None, captions[number]))
        if not written:
            raise InputError(f"{place}: image {number} has no caption; give it one, or remove it")
        caption = random.Random(f"{seed} {number}").choice(written)
        opener = partial(open_packed, readers[part], names[number])
        result.append(Record(str(number), caption, names[number], opener))
    return result


def _annotations(place: Path, read: Reader) -> dict:
    try:
        return json.loads(read(f"{place.parent.name}/{place.name}"))
    except FileNotFoundError:
        reason = "is missing"
    except (OSError, ValueError) as error:
        reason = f"is truncated or not JSON ({first_line(error)})"
    raise InputError(f"{place} {reason}; fetch it again")
