"""Contact sheets: the first images of a cell above their captions."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..workdir import atomic_path

SHEET_IMAGES = 32
COLUMNS = 8
TILE = 128
"""pixels a side of a shown image"""
TEXT_HEIGHT = 34
MARGIN = 8


def draw_sheet(images: np.ndarray, captions: list[str]) -> Image.Image:
    """Images uint8 [N, 3, S, S] in rows of COLUMNS; an empty sheet for no images."""
    rows = max(1, -(-len(images) // COLUMNS))
    width = COLUMNS * (TILE + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, rows * (TILE + TEXT_HEIGHT + MARGIN) + MARGIN), "white")
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for number, (image, caption) in enumerate(zip(images, captions, strict=False)):
        left = MARGIN + number % COLUMNS * (TILE + MARGIN)
        top = MARGIN + number // COLUMNS * (TILE + TEXT_HEIGHT + MARGIN)
        tile = Image.fromarray(image.transpose(1, 2, 0))
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
        lines = textwrap.wrap(caption, 24)
        text = "\n".join(lines[:2]) + (" …" if len(lines) > 2 else "")
        canvas.multiline_text((left, top + TILE + 2), text, fill="black", font=font, spacing=1)
    return sheet


def save_sheet(target: Path, images: np.ndarray, captions: list[str]) -> None:
    """Write a contact sheet as PNG."""
    with atomic_path(target) as path:
        draw_sheet(images, captions).save(path, format="png")
