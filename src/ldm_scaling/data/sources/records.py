"""Records of a data source: images with caption and concept."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ...jobs.cli import InputError, first_line
from ..resize import resized


@dataclass(frozen=True)
class Record:
    """One captioned image. Records of one concept, or of one group of them, go to one split."""

    concept: str
    caption: str
    name: str
    """name in messages and tables: the file, or style and concept"""
    open_image: Callable[[], Image.Image]
    """reads the image; raises OSError or ValueError if it cannot be read"""
    group: str = ""
    """of concepts that are variants of one drawing; empty: the concept is its own group"""
    tone: int | None = None
    """skin tone that the caption does not name: 1 (light) to 5 (dark), or 0 (yellow, of a concept
    that has the others); None: it has none"""


def plain_text(value: Any, place: str) -> str:
    """The text of a caption or concept in a JSON or CSV file; empty for null.

    Numbers become text. Raises InputError, which begins with `place`, for anything else.
    """
    if isinstance(value, list):
        raise InputError(f"{place} is a list, not text; write one of them, or a row for each")
    usable = isinstance(value, str) or (isinstance(value, (int, float)) and math.isfinite(value))
    if value is not None and (isinstance(value, bool) or not usable):
        raise InputError(f"{place} is {json.dumps(value)[:60]}, not text; put text in quotes")
    text = "" if value is None else str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place} has {text[error.start]!a}, which is half of a character (a surrogate);"
            " write the whole character, or remove it"
        ) from None
    return text


def open_packed(read: Callable[[str], bytes], name: str) -> Image.Image:
    """The image in the bytes that a reader returns by its name."""
    return Image.open(io.BytesIO(read(name)))


def load_pixels(record: Record, size: int, clean: bool = False) -> np.ndarray:
    """The record's image on white, cropped to its central square and resized.

    With `clean` by the filter of clean-fid, else by an 8-bit Lanczos filter. Returns uint8,
    [3, size, size]. Raises InputError naming the file if it is no whole image.
    """
    image = read_rgb(record.open_image, record.name)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if side != size and not clean:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
    return resized(pixels, size) if side != size and clean else pixels


def read_rgb(open_image: Callable[[], Image.Image], name: str) -> Image.Image:
    """A whole image as RGB: turned as its EXIF says, and on white where it is transparent.

    Raises InputError that begins with `name` if it is no whole image, or has more than 8 bits.
    """
    try:
        with open_image() as image:
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
        raise InputError(
            f"{name} is missing, truncated or no usable image ({first_line(error)}); mend or remove"
            " it"
        ) from None
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
