"""Small tar shards, and COCO in its own layout, as the tests of these sources need them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

from pictures import picture


def jpeg(number: int, size: tuple[int, int] = (20, 16)) -> bytes:
    """The file of a picture that no other number has."""
    data = io.BytesIO()
    picture(number, size=size).save(data, "JPEG", quality=95)
    return data.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    """A tar archive of these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def sample(number: int) -> dict[str, bytes]:
    """The members of a whole sample."""
    return {f"{number:05d}.jpg": jpeg(number), f"{number:05d}.txt": f"picture {number}".encode()}


def write_shards(folder: Path, sizes: list[int]) -> None:
    """Shards of so many whole samples each, numbered through."""
    first = 0
    for shard, size in enumerate(sizes):
        members: dict[str, bytes] = {}
        for number in range(first, first + size):
            members |= sample(number)
        write_tar(folder / f"{shard:03d}.tar", members)
        first += size


CAPTIONS = 3
"""of an image of `write_coco`"""


def write_coco(folder: Path, train: int = 12, val: int = 8) -> None:
    """COCO's folders with small pictures: numbers 100 on in train2014, 200 on in val2014."""
    (folder / "annotations").mkdir(parents=True)
    for part, first, count in (("train2014", 100, train), ("val2014", 200, val)):
        (folder / part).mkdir()
        images, annotations = [], []
        for number in range(first, first + count):
            name = f"COCO_{part}_{number:012d}.jpg"
            (folder / part / name).write_bytes(jpeg(number))
            images.append({"id": number, "file_name": name, "width": 20, "height": 16})
            for which in range(CAPTIONS):
                annotation = {"id": which * 1000 + number, "image_id": number}
                annotations.append(annotation | {"caption": f"caption {which} of {number}\n"})
        content = {"info": {}, "images": images, "annotations": annotations}
        (folder / "annotations" / f"captions_{part}.json").write_text(json.dumps(content))


def zip_coco(folder: Path) -> None:
    """Turn the folders into the archives that hold them where COCO is published."""
    for name, archive in (
        ("annotations", "annotations_trainval2014.zip"),
        ("train2014", "train2014.zip"),
        ("val2014", "val2014.zip"),
    ):
        with zipfile.ZipFile(folder / archive, "w") as file:
            for path in sorted((folder / name).iterdir()):
                file.write(path, f"{name}/{path.name}")
        shutil.rmtree(folder / name)
