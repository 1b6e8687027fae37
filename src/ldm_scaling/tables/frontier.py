"""Every way to spend a budget that a study has tried: all cells, what to choose, what levers add.

`frontier.csv` has a row for each configuration and metric: all cells that make images of the test
prompts, of every stage, sampler and schedule. It also has values on random halves of the concepts,
so that a choice needs no draws. `envelope.csv` has the best configuration within each cost, and
`levers.csv` what the envelope loses without each size, stage, sampler and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd

from ..jobs.choice import at_chosen, chosen_scales
from ..jobs.command import Option, command
from ..jobs.tables import CELLS, HALF, OK, ON_GPU, settings_of, to_csv
from ..jobs.workdir import write_text
from ..kinds.metrics import sign
from .arguments import Confidence, Metrics, Out
from .candidates import read_candidates
from .choose import FRONTIER, Configurations
from .curves import AXES
from .inverted import made, read_inverted
from .stitch import read_stitched
from .values import Values, interval, read_values, with_intervals

HALVES = 32
ENVELOPE = ["axis", "metric", "cost", "until", "cell", "value", "lo", "hi", "luck", "tied", "n"]
LEVERS = ["axis", "metric", "lever", "without", "gain", "lo", "hi", "unit", "range_lo", "range_hi"]
LEVERS += ["n"]
_COSTS = 64
"""places along the logarithm of the cost at which envelopes are compared"""


def joined(parts: list[Values], confidence: float) -> Values:
    """All cells of one metric, as means over training seeds; those of kept checkpoints left out.

    Columns that only some tables have are empty elsewhere.
    """
    means = []
    for own in parts:
        seeds = own.rows["seed"].nunique()
        own = own.where(own.rows["trained"] == 1)
        more = [name for name in settings_of(own.rows) if name != "allocation"]  # in `size`
        wide = own.over_seeds(confidence, also=more)
        rows = with_intervals(wide, confidence).assign(seeds=seeds)
        own = own.over_seeds(confidence, also=more, widened=False)  # halves are no intervals
        failed = (rows["status"] != OK) & (own.rows["status"] != OK)
        rows["status"] = own.rows["status"].where(failed, rows["status"])
        if "sizes" in rows:  # `size` of a trajectory also has its allocation
            rows["size"] = rows["sizes"]
        means.append(Values(rows, own.draws))
    rows = pd.concat([own.rows for own in means], ignore_index=True)
    count = min(own.draws.shape[1] for own in means)
    return Values(rows, np.concatenate([own.draws[:, :count] for own in means]))


def frontier_table(cells: Values, numbers: dict[tuple, int]) -> pd.DataFrame:
    """The rows of one metric in the columns `FRONTIER`, what else the cells have, and halves.

    `numbers` has the numbers of configurations by their settings, and gets those of new ones.
    """
    rows, names = cells.rows, settings_of(cells.rows)
    keys = rows[names].astype(object).where(rows[names].notna(), None)
    found = [numbers.setdefault(tuple(key), len(numbers)) for key in keys.to_numpy()]
    rows = rows.assign(cell=found)
    more = [name for name in (*names, *ON_GPU) if name in rows and name not in FRONTIER]
    halves = cells.draws[:, 1 : 1 + HALVES]
    drawn = {f"{HALF}{number}": half for number, half in enumerate(halves.T, start=1)}
    return pd.concat([rows[[*FRONTIER, *more]], pd.DataFrame(drawn, rows.index)], axis=1)


def envelope_table(found: Configurations, confidence: float) -> Iterator[dict[str, Any]]:
    """The rows of one metric in the columns `ENVELOPE`, along each axis of costs."""
    for axis in AXES:
        steps = list(found.envelope(axis, confidence))
        if not steps:  # a metric that no cell has, such as FD-infinity of too few images
            continue
        ends = [cost for cost, _ in steps[1:]] + [np.nan]
        for (cost, choice), until in zip(steps, ends, strict=True):
            row = found.rows.loc[choice.row]
            numbers = found.rows["cell"].to_numpy()[choice.tied]
            yield {
                "axis": axis,
                "cost": cost,
                "until": until,
                "luck": choice.luck,
                "tied": " ".join(map(str, numbers)),
            } | {name: row[name] for name in ("metric", "cell", "value", "lo", "hi", "n")}


def lever_table(cells: Values, confidence: float) -> Iterator[dict[str, Any]]:
    """What the envelope loses without each setting, in the columns `LEVERS`, along each axis.

    A setting that is a text is left out value by value; a number, such as a guidance scale, above
    its lowest. Steps are what a budget buys, and no lever. The gain is the log ratio of the two
    envelopes, mean along the logarithm of the costs that both cover, and above 0 if the setting
    helps. Each draw chooses both configurations, and is judged on its mirror image, as
    `jobs.choice.optimism` explains; so a setting that only adds more tries gains nothing.
    """
    sound = cells.where(cells.rows["status"] == OK)
    if not len(sound.rows):
        return
    logarithmic = bool((sound.draws > 0).all())
    seen = set()  # students alone are sampled by LCM: that is one lever, not two
    for name in settings_of(sound.rows):
        for without, kept in _left_out(sound.rows[name], name):
            if kept.tobytes() in seen:
                continue
            seen.add(kept.tobytes())
            for axis in AXES:
                lost = _loss(sound, kept, axis, logarithmic)
                if lost is None:
                    continue
                draws, ends = lost
                _, lo, hi = interval(draws, confidence)
                yield dict(zip(LEVERS[:4], (axis, sound.metric, name, without), strict=True)) | {
                    "gain": draws[0],
                    "lo": lo,
                    "hi": hi,
                    "range_lo": ends[0],
                    "range_hi": ends[1],
                    "unit": "log ratio" if logarithmic else "difference",
                    "n": sound.rows["n"].iloc[0],
                }


def _left_out(column: pd.Series, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """What is left out, and a mask of what stays."""
    if name == "steps" or column.nunique(dropna=False) < 2:
        return
    if pd.api.types.is_numeric_dtype(column):
        lowest = column.min()
        yield f"above {lowest:g}", (column.isna() | (column == lowest)).to_numpy()
        return
    for value in column.dropna().unique():
        yield str(value), (column != value).to_numpy()


def _loss(
    cells: Values, kept: np.ndarray, axis: str, logarithmic: bool
) -> tuple[np.ndarray, tuple] | None:
    """Draws [1 + R] of the mean log ratio of envelopes without and with; None if none is left.

    Without `logarithmic` they are of the mean difference.
    """
    costs = cells.rows[axis].to_numpy(float)
    known = np.isfinite(costs)
    if not (kept & known).any():
        return None
    low, high = costs[kept & known].min(), costs[known].max()
    better = sign(cells.metric)
    draws = better * (np.log(cells.draws) if logarithmic else cells.draws)
    mirrored = 2 * draws[:, :1] - draws
    places = np.unique(np.clip(np.geomspace(low, high, _COSTS), low, high))
    total = np.zeros(draws.shape[1])
    for cost in places:
        within = known & (costs <= cost * (1 + 1e-6))
        values = []
        for rows in (np.flatnonzero(within & kept), np.flatnonzero(within)):
            values.append(at_chosen(mirrored[rows], chosen_scales(draws[rows])))
        without, with_all = values
        total += without - with_all
    mean = total / len(places)
    return np.concatenate([[mean[1:].mean()], mean[1:]]), (low, high)


class Beside(NamedTuple):
    """Tables of other cells than those of single models, each with its draws, where they exist."""

    stitch: tuple[Path, Path] | None = None
    candidates: tuple[Path, Path] | None = None
    inversion: tuple[Path, Path] | None = None


def frontier_of(
    cells: Sequence[tuple[str, Path, Path]],
    beside: Beside,
    metrics: list[str],
    confidence: float,
) -> pd.DataFrame:
    """The rows of frontier.csv: those of cells with their schedule and draws, and others."""
    return _table(_joined(cells, beside, metrics, confidence))


def _table(parts: Sequence[Values]) -> pd.DataFrame:
    numbers: dict[tuple, int] = {}
    return pd.concat([frontier_table(own, numbers) for own in parts], ignore_index=True)


def _joined(
    cells: Sequence[tuple[str, Path, Path]],
    beside: Beside,
    metrics: list[str],
    confidence: float,
) -> list[Values]:
    return [joined(_read(cells, beside, metric), confidence) for metric in metrics]


def _read(cells: Sequence[tuple[str, Path, Path]], beside: Beside, metric: str) -> list[Values]:
    found, usual = [], cells[0][0]
    for schedule, table, draws in cells:
        own = read_values(table, draws, metric, CELLS)
        found.append(Values(own.rows.assign(schedule=schedule), own.draws))
    if beside.stitch:
        own = read_stitched(*beside.stitch, metric)
        unknown = pd.array([pd.NA] * len(own.rows), "Int64")
        rows = own.rows.assign(nfe=unknown, schedule=usual)
        found.append(Values(rows, own.draws))
    if beside.inversion:
        own = made(read_inverted(*beside.inversion, metric))
        found.append(Values(own.rows.assign(schedule=usual), own.draws))
    if beside.candidates:  # one candidate is an image of the cells
        found = [Values(own.rows.assign(candidates=1), own.draws) for own in found]
        own = read_candidates(*beside.candidates, metric)
        own = own.where(own.rows["candidates"] > 1)
        found.append(Values(own.rows.assign(schedule=usual), own.draws))
    return found


@command
def main(
    cells: Annotated[
        list[list[str]],
        Option(
            "where steps lie, the cells and their draws; repeat for each",
            nargs=3,
            names=("SCHEDULE", "CELLS", "DRAWS"),
            repeated=True,
        ),
    ],
    metrics: Metrics,
    confidence: Confidence,
    out: Out,
    envelope_out: Out,
    levers_out: Out,
    stitch: Annotated[
        tuple[Path, Path] | None,
        Option("stitch.csv and the draws beside it", Path, nargs=2, names=("STITCH", "DRAWS")),
    ] = None,
    candidates: Annotated[
        tuple[Path, Path] | None,
        Option("candidates.csv and the draws beside it", Path, nargs=2, names=("TABLE", "DRAWS")),
    ] = None,
    inversion: Annotated[
        tuple[Path, Path] | None,
        Option("inversion.csv and the draws beside it", Path, nargs=2, names=("TABLE", "DRAWS")),
    ] = None,
) -> None:
    """Write frontier.csv, envelope.csv and levers.csv. The first metric is that of the levers."""
    given = [(schedule, Path(table), Path(drawn)) for schedule, table, drawn in cells]
    parts = _joined(given, Beside(stitch, candidates, inversion), metrics, confidence)
    table = _table(parts)
    found = [Configurations.of(table, metric) for metric in metrics]
    best = [row for own in found for row in envelope_table(own, confidence)]
    levers = list(lever_table(parts[0], confidence))
    write_text(levers_out, to_csv(pd.DataFrame(levers, columns=LEVERS)))
    write_text(envelope_out, to_csv(pd.DataFrame(best, columns=ENVELOPE)))
    write_text(out, to_csv(table))
    print(f"{table['cell'].nunique()} configurations, {len(metrics)} metrics, {len(levers)} levers")
