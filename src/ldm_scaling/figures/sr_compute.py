"""Super-resolution against the compute of finetuning: does size decide, or training?"""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..jobs.command import Read
from ..jobs.tables import OK
from ..kinds.metrics import HIGHER_IS_BETTER
from ..tables.arguments import Baselines, Confidence, Metrics, SeveralCellFiles, Steps
from ..tables.budgets import of_metric
from . import quality_curves, style
from .train_compute import Images, compute_ticks, count_seeds, draw_sizes, read_checkpoints

_TIMES = "\N{MULTIPLICATION SIGN}"
COMPUTE_LABEL = f"Finetuning compute\n(3 {_TIMES} FLOPs of a forward pass {_TIMES} images seen)"
_SCRATCH = {"linestyle": (0, (3, 1.5)), "markerfacecolor": "white"}


def read_stages(
    cells: SeveralCellFiles, metrics: Metrics, steps: Steps, confidence: Confidence, images: Images
) -> list[list[pd.DataFrame]]:
    """The checkpoints of each metric: of finetuned models, and of those from scratch if any are."""
    setting = (metrics, steps, 1.0, confidence, images)
    found = [read_checkpoints(files, *setting) for files in cells]
    return [*found, []][:2]


def count_seeds_of_first(cells: SeveralCellFiles) -> int:
    """How many training seeds there are."""
    return count_seeds(cells[0])


def draw(
    stages: Annotated[list[list[pd.DataFrame]], Read(read_stages)],
    baselines: Baselines,
    seeds: Annotated[int, Read(count_seeds_of_first)] = 1,
) -> Figure:
    """The figure, from the checkpoints of one metric a panel, and superres_baselines.csv.

    `stages` has those of finetuned models and those from scratch, which may be none. They have the
    columns of cells.csv and `compute`, FLOPs. Raises InputError if a metric is not among the
    baselines, or if n differ.
    """
    finetuned, scratch = stages
    metrics = [rows["metric"].iloc[0] for rows in finetuned]
    floors_of = [of_metric(baselines, metric) for metric in metrics]
    n = style.only_n(*finetuned, *scratch, *floors_of)
    with style.theme():
        rows = -(-len(metrics) // 2)
        figure = Figure(figsize=(style.WIDTH, 2.3 * rows + 0.9), layout="constrained")
        panels = figure.subplots(rows, 2, squeeze=False, sharex=True).ravel()
        for number, (axes, metric, floors) in enumerate(
            zip(panels, metrics, floors_of, strict=False)
        ):
            own = [finetuned[number], *scratch[number : number + 1]]
            axes.set_xscale("log")
            _draw_panel(axes, own, floors, metric, seeds)
            axes.set_ylabel(style.metric_label(metric).replace(" (", "\n("))
            compute_ticks(axes.xaxis)
        for axes in panels[len(metrics) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(metrics) - 2) : len(metrics)]:
            axes.set_xlabel(COMPUTE_LABEL)
            axes.tick_params(labelbottom=True)
        handles = _legend(finetuned, scratch, floors_of[0], seeds)
        title = f"n = {n} images a cell"
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, title=title, title_fontsize=7
        )
    return figure


def _draw_panel(
    axes: Axes, stages: list[pd.DataFrame], floors: pd.DataFrame, metric: str, seeds: int
) -> None:
    """Finetuned sizes, then those from scratch; the baselines behind them."""
    sizes = set(stages[0]["size"])
    for rows, look in zip(stages, ({}, _SCRATCH), strict=False):
        draw_sizes(axes, rows, seeds, sizes, **look)
    drawn = pd.concat(stages)
    if metric in HIGHER_IS_BETTER:
        style.draw_floors(axes, floors)
        return
    quality_curves.draw_floors(axes, floors, drawn)
    quality_curves.make_room(axes)


def _legend(
    finetuned: list[pd.DataFrame], scratch: list[pd.DataFrame], floors: pd.DataFrame, seeds: int
) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [*style.size_handles(finetuned[0])]
    if scratch:
        label = "without pretraining"
        handles.append(Line2D([], [], color=style.GREY, marker="o", label=label, **_SCRATCH))
    handles += [*style.floor_handles(floors["kind"]), *style.band_handles(seeds)]
    if any((rows["status"] != OK).any() for rows in [*finetuned, *scratch]):
        handles.append(style.failed_mark(style.GREY))
    return handles
