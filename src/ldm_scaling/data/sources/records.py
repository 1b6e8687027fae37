"""What a data source yields: captioned images that know their concept."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from ...jobs.cli import InputError


@dataclass(frozen=True)
class Record:
    """One captioned image. Records of one concept go to the same split."""

    concept: str
    caption: str
    name: str
    """for messages and tables: the file, or style and concept"""
    open_image: Callable[[], Image.Image]
    """reads the image; raises OSError or ValueError if it cannot be read"""


def load_pixels(record: Record, size: int) -> np.ndarray:
    """The record's image on white, cropped to its central square and resized.

    Returns uint8, [3, size, size]. Raises InputError naming the file if it is no whole image.
    """
    try:
        image = record.open_image()
        image.load()
        if image.mode == "F" or image.mode.startswith("I"):
            raise ValueError(f"mode {image.mode} is not 8-bit; convert it to RGB")
        image = ImageOps.exif_transpose(image)  # as viewers show it
        if image.mode not in ("RGB", "RGBA"):
            transparent = image.mode in ("LA", "La", "PA") or "transparency" in image.info
            image = image.convert("RGBA" if transparent else "RGB")
    except (
        OSError,
        ValueError,
        SyntaxError,
        zipfile.BadZipFile,
        Image.DecompressionBombError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{record.name} is missing, truncated or no usable image ({reason}); mend or remove it"
        ) from None
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
