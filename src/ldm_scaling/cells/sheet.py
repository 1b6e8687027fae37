"""Draw the contact sheet of a cell: its first images above their captions, as PNG."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..data.captions import read_column
from ..jobs.arrays import map_array, read_header
from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.letters import families, font_file, spelled
from ..jobs.workdir import atomic_path

COLUMNS = 8
TILE = 128
"""pixels a side of a shown image"""
TEXT_HEIGHT = 34
MARGIN = 8
FONT_SIZE = 11
_OWN_LETTERS = "©«°±´·»‘’“”…‹›⁄™ﬁﬂ"  # noqa: RUF001
"""beyond ASCII, what Pillow's own font has"""


def draw_sheet(images: np.ndarray, captions: list[str]) -> Image.Image:
    """Images uint8 [N, 3, S, S] in rows of COLUMNS; an empty sheet for no images."""
    rows = max(1, -(-len(images) // COLUMNS))
    width = COLUMNS * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, rows * (TILE + TEXT_HEIGHT + MARGIN) + MARGIN), "white")
    canvas = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions, strict=False)):
        left = MARGIN + number % COLUMNS * (TILE + MARGIN)
        top = MARGIN + number // COLUMNS * (TILE + TEXT_HEIGHT + MARGIN)
        tile = Image.fromarray(image.transpose(1, 2, 0))
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
        caption, font = _readable(caption)
        lines = textwrap.wrap(caption, 24)
        text = "\n".join(lines[:2]) + (" …" if len(lines) > 2 else "")
        canvas.multiline_text((left, top + TILE + 2), text, fill="black", font=font, spacing=1)
    return sheet


def _readable(caption: str) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """The caption with substitutes for letters that no font has, and a font that has the others."""
    if all(letter.isascii() or letter in _OWN_LETTERS for letter in caption):
        return caption, ImageFont.load_default(FONT_SIZE)
    caption = spelled(caption)
    return caption, ImageFont.truetype(font_file(families(caption)[-1]), FONT_SIZE)


@command
def main(
    images: Annotated[Path, "kept images of the cells"],
    cell: Annotated[str, "name of the cell"],
    captions: Annotated[Path, "the prompts"],
    out: Annotated[Path, "PNG to write"],
) -> None:
    if cell not in (known := read_header(images)):
        there = ", ".join(sorted(set(known) - {"__metadata__"}))
        raise InputError(
            f"{images} has no cell {cell} (it has: {there}); an adaptive search"
            " samples few scales whole, search.method: grid has them all"
        )
    pixels = map_array(images, cell)
    sheet = draw_sheet(pixels, read_column(captions, "caption"))
    with atomic_path(out) as path:
        sheet.save(path, format="png")
