"""Images in rows and columns, and how such figures read them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from ..data.captions import read_column
from ..jobs.arrays import map_array, read_header
from ..jobs.cli import InputError
from ..jobs.command import Option, Read
from ..jobs.letters import families, spelled
from ..tables.arguments import Guidance, Sampler, Steps
from . import style

FAILED = "failed"
"""stands where an image would be"""
COLUMN = 3.4
"""inches across one column; a figure with many tiles in a row has `style.WIDTH`"""
_NARROW, _WIDE = 0.42, 1.2  # inches of a tile: below that across both columns; at most
_MARGIN, _GAP, _LABEL = 0.06, 0.04, 0.74
_FONT = 6.0
_LINE = 1.3 * _FONT / 72


@dataclass(frozen=True)
class Block:
    """Rows of tiles under common heads. A tile is an image uint8 [3, S, S] or a word instead."""

    tiles: list[list[np.ndarray | str]]
    heads: list[str]
    """of the columns"""
    labels: list[str]
    """of the rows"""
    title: str = ""
    under: list[list[str]] | None = None
    """a word below each tile"""
    framed: int | None = None
    """a column that is marked"""
    dashed: bool = False
    """the mark"""


def draw_blocks(blocks: Sequence[Block], note: str) -> Figure:
    """A figure of blocks of equally many columns, one below the other, over a note."""
    columns = len(blocks[0].heads)
    with style.theme():
        label = min(_LABEL, max(_width(label) for block in blocks for label in block.labels))
        rest = 2 * _MARGIN + label
        tiles = [(width - rest) / columns - _GAP for width in (COLUMN, style.WIDTH)]
        width, tile = (COLUMN, tiles[0]) if tiles[0] >= _NARROW else (style.WIDTH, tiles[1])
        tile = min(_WIDE, tile)
        figure = Figure()
        axes = figure.add_axes((0, 0, 1, 1), xticks=[], yticks=[])
        axes.set_axis_off()
        bottom = _MARGIN
        for block in blocks:
            bottom = _draw_block(axes, block, bottom, tile, label, width) + 2 * _GAP
        note = wrapped(note, width - 2 * _MARGIN)
        _write(axes, _MARGIN, bottom, note, va="top", color=style.GREY)
        height = bottom + _height(note) + _MARGIN
        figure.set_size_inches(width, height)
        axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def _draw_block(
    axes: Axes, block: Block, top: float, tile: float, beside: float, width: float
) -> float:
    # `beside` is the width of the rows' labels; returns where the block ends
    title = wrapped(block.title, width - 2 * _MARGIN)
    _write(axes, _MARGIN, top, title, va="top", weight="bold")
    left = [_MARGIN + beside + _GAP + n * (tile + _GAP) for n in range(len(block.heads))]
    heads = [wrapped(head, tile) for head in block.heads]
    top += _height(title) + max(map(_height, heads)) + _GAP
    for x, head in zip(left, heads, strict=True):
        _write(axes, x + tile / 2, top - _GAP / 2, head, ha="center", va="bottom")
    framed_from = top
    below = _LINE if block.under else 0
    for number, (row, label) in enumerate(zip(block.tiles, block.labels, strict=True)):
        label = wrapped(label, beside, lines=max(1, int(tile / _LINE)))
        _write(axes, _MARGIN, top + tile / 2, label, va="center")
        for column, (x, image) in enumerate(zip(left, row, strict=True)):
            _draw_tile(axes, image, x, top, tile)
            if block.under:
                word = block.under[number][column]
                _write(axes, x + tile / 2, top + tile + below / 2, word, ha="center", va="center")
        top += tile + below + _GAP
    if block.framed is not None:
        corner = (left[block.framed] - _GAP / 2, framed_from - _GAP / 2)
        line = {"linewidth": 1.3, "linestyle": (0, (3, 1.5)) if block.dashed else "-"}
        axes.add_patch(
            Rectangle(corner, tile + _GAP, top - framed_from, fill=False, label="chosen", **line)
        )
    return top


def _draw_tile(axes: Axes, tile: np.ndarray | str, left: float, top: float, side: float) -> None:
    if isinstance(tile, str):
        word = wrapped(tile, side)
        _write(axes, left + side / 2, top + side / 2, word, ha="center", va="center")
        return
    edges = (left, left + side, top + side, top)
    axes.imshow(tile.transpose(1, 2, 0), extent=edges, aspect="auto")
    axes.add_patch(Rectangle((left, top), side, side, fill=False, linewidth=0.3, color="0.7"))


def _write(axes: Axes, x: float, y: float, text: str, **how) -> None:
    if text:  # a caption may hold dollar signs, which are no formulas
        text, how = spelled(text), {"family": families(text), **how}
        axes.text(x, y, text, fontsize=_FONT, linespacing=1.1, parse_math=False, **how)


def _height(text: str) -> float:
    return _LINE * (text.count("\n") + 1) if text else 0.0


def wrapped(text: str, inches: float, lines: int | None = None) -> str:
    """Text in lines that are no wider, cut after so many of them; its own lines stay."""
    text = spelled(text)
    own = text.split("\n")
    if len(own) <= (lines or len(own)) and _width(text) <= inches:
        return text
    if lines is None and len(own) > 1:
        return "\n".join(wrapped(line, inches) for line in own)
    for count in range(len(text), 2, -1):
        parts = textwrap.wrap(text, count, max_lines=lines, placeholder=" …")
        if max(map(_width, parts), default=0) <= inches:
            return "\n".join(parts)
    return text


def _width(text: str) -> float:
    text = spelled(text)
    font = FontProperties(family=families(text), weight="bold", size=_FONT)
    measure = TextToPath().get_text_width_height_descent
    return max(measure(line, font, ismath=False)[0] for line in text.split("\n")) / 72


def mosaic(images: Sequence[np.ndarray | str]) -> np.ndarray | str:
    """Images [3, S, S] as one, in the smallest square of rows, white where there is none.

    A word stays a word.
    """
    if isinstance(images[0], str):
        return images[0]
    side = images[0].shape[-1]
    count = int(np.ceil(np.sqrt(len(images))))
    gap = max(1, side // 32)
    size = count * (side + gap) - gap
    result = np.full((3, size, size), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        y, x = (place * (side + gap) for place in divmod(number, count))
        result[:, y : y + side, x : x + side] = image
    return result


def read_images(path: Path, name: str, rows: Sequence[int]) -> list[np.ndarray | str]:
    """Rows of an array of images; a word for those that are not there, which failed."""
    array = map_array(path, name)
    status = read_header(path).get("__metadata__", {}).get(name, FAILED)
    return [array[row] if row < len(array) else worded(status) for row in rows]


def worded(status: str) -> str:
    """The status of what failed, for readers."""
    return status.replace("_", " ")


def files_by_size(pairs: Sequence[tuple[str, str]]) -> dict[str, Path]:
    """The file of each size, smallest first."""
    files = {size: Path(path) for size, path in pairs}
    return {size: files[size] for size in style.in_order(files)}


FilesBySize = Annotated[
    dict[str, Path],
    Option(
        "images of the model of a size; repeat for each",
        nargs=2,
        names=("SIZE", "FILE"),
        repeated=True,
        read=files_by_size,
    ),
]
Prompts = Annotated[list[int], "rows of the captions"]
Unguided = Annotated[list[str] | None, "adopted models that are never guided"]


def read_captions(captions: Annotated[Path, "test.csv"], prompts: Prompts) -> list[str]:
    """Captions of these rows. Raises InputError if there are fewer."""
    found = read_column(captions, "caption")
    if max(prompts) >= len(found):
        raise InputError(f"{captions} has {len(found)} captions and no row {max(prompts)}")
    return [found[row] for row in prompts]


def steps_label(sampler: Sampler, steps: Steps) -> str:
    """How images were sampled, for readers, without the guidance."""
    return f"{sampler}, {steps} steps"


def setting_label(
    sampler: Sampler, steps: Steps, guidance: Guidance, unguided: Unguided = None
) -> str:
    """How images were sampled, for readers."""
    others = f" (1 for {', '.join(unguided)})" if unguided else ""
    return f"{steps_label(sampler, steps)}, guidance {guidance:g}{others}"


Captions = Annotated[list[str], Read(read_captions)]
Setting = Annotated[str, Read(setting_label)]


def size_heads(sizes: Sequence[str], family: pd.DataFrame) -> list[str]:
    """Sizes over their parameters. Raises InputError for a size that is not in family.csv."""
    params = dict(zip(family["size"], family["params"], strict=True))
    if unknown := [size for size in sizes if size not in params]:
        raise InputError(f"size {unknown[0]} is not in the family table")
    return [style.size_label(size, params[size]).replace(" (", "\n(") for size in sizes]
