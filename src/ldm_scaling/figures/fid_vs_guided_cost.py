"""Image quality against what guidance and the other parts of the pipeline make an image cost."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..tables.arguments import Cells, Confidence, Floors
from . import quality_curves, style
from .quality_curves import Quality


def draw(cells: Cells, floors: Floors, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric with one sampler, and floors.csv."""
    quality = Quality.of(cells, floors, confidence)
    with style.theme():
        figure, panels, strips = quality_curves.layout(quality.sizes, (1, 1), (True, True))
        for axes, strip, axis in zip(panels, strips, ("guided_cost", "total_cost"), strict=True):
            quality_curves.draw_quality(axes, strip, quality, axis)
        panels[1].sharey(panels[0])
        panels[0].set_ylabel(quality.label)
        quality_curves.add_legend(figure, quality, strips)
    return figure
