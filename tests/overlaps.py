"""Whether the texts of a figure can be read."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def no_overlap(figure: Figure) -> None:
    """Assert that all texts are inside and no two over each other."""
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
