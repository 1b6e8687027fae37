"""Draw the contact sheet of a cell: its first images above their captions, as PNG."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..data.captions import read_column
from ..jobs.arrays import map_array, read_header
from ..jobs.cli import InputError, parser, run
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


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--images", required=True, type=Path, help="kept images of the cells")
    arguments.add_argument("--cell", required=True, help="name of the cell")
    arguments.add_argument("--captions", required=True, type=Path, help="the prompts")
    arguments.add_argument("--out", required=True, type=Path, help="PNG to write")
    options = arguments.parse_args()
    if options.cell not in (known := read_header(options.images)):
        there = ", ".join(sorted(set(known) - {"__metadata__"}))
        raise InputError(
            f"{options.images} has no cell {options.cell} (it has: {there}); a search samples few"
            " scales whole, the folder {sampler}/grid has them all"
        )
    images = map_array(options.images, options.cell)
    sheet = draw_sheet(images, read_column(options.captions, "caption"))
    with atomic_path(options.out) as path:
        sheet.save(path, format="png")


if __name__ == "__main__":
    run(main)
