"""Cut random squares out of a folder of photographs, for super-resolution.

Photographs are used in turn, in the order of their names. The place of crop i depends only on the
seed and i. Writes `images` (uint8 [N, 3, S, S]), and beside it a CSV whose concept is the
photograph, so that intervals resample whole photographs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image

from ..jobs.arrays import row_writer
from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.seeds import Stream
from ..jobs.workdir import file_hash, fingerprint, write_text
from ..workflow.specs.superres import PhotosSpec
from .prepare import captions_csv
from .sources.records import Record, read_rgb

KINDS = (".png", ".jpg", ".jpeg", ".webp")


def photographs(folder: Path) -> list[Path]:
    """The photographs in a folder and below it, by name. Raises InputError if there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    if not found:
        raise InputError(
            f"superres.training.path or superres.validation.path: {folder} has no photographs"
            f" ({', '.join(KINDS)}); put them there"
        )
    return found


def crops(path: Path, size: int, seed: int, numbers: range, side: int | None = None) -> np.ndarray:
    """Crops [len(numbers), 3, size, size] of a photograph, each at the place of its number.

    With `side`, a photograph whose shorter side is larger is shrunk to it first. Raises InputError
    naming the file if it is no image, or too small.
    """
    photo = np.asarray(_shrunk(read_rgb(partial(Image.open, path), str(path)), side))
    room = np.array(photo.shape[:2]) - size
    if room.min() < 0:
        raise InputError(f"{path} is smaller than {size} pixels a side; remove it")
    result = []
    for number in numbers:
        draw = np.random.default_rng((seed, number, Stream.CROPS))
        top, left = draw.integers(room + 1)
        result.append(photo[top : top + size, left : left + size].transpose(2, 0, 1))
    return np.stack(result)


def _shrunk(photo: Image.Image, side: int | None) -> Image.Image:
    shorter = min(photo.size)
    if side is None or shorter <= side:
        return photo
    width, height = (round(length * side / shorter) for length in photo.size)
    return photo.resize((width, height), Image.Resampling.LANCZOS)


@command
def main(
    spec: PhotosSpec,
    out: Annotated[Path, "file of images to write"],
) -> None:
    paths = photographs(spec.photos.folder)
    paths = paths[: spec.photos.patches]
    content = fingerprint(spec, [file_hash(path) for path in paths])
    count, size = spec.photos.patches, spec.image_size
    records = [
        Record(name, "", name, Image.Image)
        for number in range(count)
        for name in [str(paths[number % len(paths)].relative_to(spec.photos.folder))]
    ]
    progress = Progress("cutting photographs", len(paths))
    shapes = {"images": ("uint8", (count, 3, size, size))}
    with row_writer(out, shapes, content) as writer:
        for first, path in enumerate(paths):
            numbers = range(first, count, len(paths))
            found = crops(path, size, spec.seed, numbers, spec.photos.side)
            for number, image in zip(numbers, found, strict=True):
                writer.write("images", number, image[None])
            progress.update(first + 1)
    write_text(out.with_suffix(".csv"), captions_csv(records))
    print(f"{count} crops of {len(paths)} photographs")
