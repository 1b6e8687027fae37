"""Image quality against seconds an image, as they were measured where the cells were sampled."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..tables.arguments import Cells, Confidence, Floors
from . import quality_curves, style
from .quality_curves import Quality


def draw(cells: Cells, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv."""
    quality = Quality.of(cells, floors, confidence)
    with style.theme():
        figure, (left, right), strips = quality_curves.layout(quality.sizes, (2, 3), (False, True))
        quality_curves.draw_costs(left, quality, "seconds")
        quality_curves.draw_quality(right, strips[1], quality, "seconds")
        right.set_ylabel(quality.label)
        quality_curves.add_legend(figure, quality, strips)
    return figure
