"""What is on a figure, and what is true of all of them."""

import sys

from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from ldm_scaling.figures import __main__ as figures
from ldm_scaling.figures import style
from ldm_scaling.jobs.cli import run


def line(axes, label):
    lines = [line for line in axes.get_lines() if line.get_label() == label]
    lines += [bars[0] for bars in axes.containers if bars.get_label() == label]
    assert len(lines) == 1, label
    return lines[0]


def band(axes, label):
    """The corners [m, 2] of a band."""
    (found,) = [item for item in axes.collections if item.get_label() == label]
    return found.get_paths()[0].vertices


def texts(axes):
    return [text.get_text() for text in axes.texts]


def no_overlap(figure):
    """Texts of the figure: all inside, and no two over each other."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = []
    inner = [child for axes in figure.axes for child in axes.child_axes]
    for axes in [*figure.axes, *inner]:
        shown = [axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            shown += [label for place, label in ticks if low <= place <= high]
        boxes += [t.get_window_extent(renderer) for t in shown if t.get_text()]
        if axes.get_legend():
            boxes += [t.get_window_extent(renderer) for t in axes.get_legend().get_texts()]
    for legend in figure.legends:
        boxes += [t.get_window_extent(renderer) for t in legend.get_texts()]
    page = figure.bbox
    for box in boxes:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1)


def same_bytes(make, folder):
    """A figure that is made twice gives identical files."""
    for name in "ab":
        style.save(make(), folder / f"{name}.pdf", folder / f"{name}.png")
    for kind in ("pdf", "png"):
        assert len({(folder / f"{name}.{kind}").read_bytes() for name in "ab"}) == 1
    assert b"CreationDate" not in (folder / "a.pdf").read_bytes()
    with Image.open(folder / "a.png") as image:
        assert image.width == 1400 and round(image.info["dpi"][0]) == 200


def call(monkeypatch, name, *words):
    """Draw a figure by its command."""
    monkeypatch.setattr(sys, "argv", ["figures", name, *words])
    run(figures.main)
