"""Super-resolution against sampling cost: at few steps on the left, at many on the right."""

from __future__ import annotations

from matplotlib.figure import Figure

from ..study.superres import REGIME_STEPS
from ..tables.arguments import Baselines, Cells, Confidence
from . import quality_curves, style
from .quality_curves import Quality

AXIS = "sampling_cost"


def draw(cells: Cells, baselines: Baselines, confidence: Confidence) -> Figure:
    """The figure, from the cells of a metric, and superres_baselines.csv."""
    few = cells.rows["steps"] <= REGIME_STEPS
    sides = {
        f"up to {REGIME_STEPS} steps": cells.where(few),
        f"beyond {REGIME_STEPS} steps": cells.where(~few),
    }
    every = Quality.of(cells, baselines, confidence)
    with style.theme():
        figure, panels, strips = quality_curves.layout(every.sizes, (1, 1), (True, True))
        for axes, strip, (title, own) in zip(panels, strips, sides.items(), strict=True):
            axes.set_title(title)
            if own.rows.empty:
                axes.annotate("not sampled", (0.5, 0.5), xycoords="axes fraction", ha="center")
                continue
            quality = Quality.of(own, baselines, confidence)
            quality_curves.draw_quality(axes, strip, quality, AXIS)
        panels[0].set_ylabel(every.label)
        quality_curves.add_legend(figure, every, strips)
    return figure
