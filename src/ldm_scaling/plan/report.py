"""The plan as a table with one row a rule, and as text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from .dag import Job
from .devices import DEVICES, FLOAT32

if TYPE_CHECKING:
    from .price import Price  # seconds of import

MANY_EPOCHS = 10
Priced = Sequence[tuple[Job, "Price"]]


@dataclass(frozen=True)
class Device:
    """What jobs run on, and the percentage of its peak that they reach."""

    name: str
    utilisation: float

    def hours(self, prices: Iterable[Price]) -> float:
        """Hours that the FLOPs of prices take."""
        peaks = DEVICES[self.name]
        seconds = sum(
            flops / peaks.get(kind, peaks[FLOAT32])
            for price in prices
            for kind, flops in price.flops_in.items()
        )
        return seconds / (self.utilisation / 100) / 3600

    @property
    def peak(self) -> str:
        """Its peak in each arithmetic, in words."""
        return ", ".join(
            f"{peak / 1e12:g} TFLOP/s in {kind}" for kind, peak in DEVICES[self.name].items()
        )


@dataclass(frozen=True)
class Row:
    """The jobs of a rule; costs and memory are those of jobs that are not done."""

    rule: str
    jobs: int
    done: int
    flops: float
    hours: float
    gigabytes: float
    gpu_memory_gb: float
    """of one GPU, of the job that takes most; nan: not estimated"""
    host_memory_gb: float
    epochs: float
    """of the training that sees its data most often; nan: no training, or images are unknown"""
    uncounted: str
    """parts whose FLOPs or bytes are unknown and missing in the sums"""


def rows(priced: Priced, device: Device) -> list[Row]:
    """One for each rule, upstream first."""
    return [
        _row(rule, [pair for pair in priced if pair[0].rule == rule], device)
        for rule in dict.fromkeys(job.rule for job, _ in priced)
    ]


def _row(rule: str, own: Priced, device: Device) -> Row:
    left = [(job, price) for job, price in own if job.due]
    flops = sum(price.flops for _, price in left)
    return Row(
        rule=rule,
        jobs=len(left),
        done=len(own) - len(left),
        flops=flops,
        hours=device.hours(price for _, price in left),
        gigabytes=sum(price.bytes for _, price in left if not math.isnan(price.bytes)) / 1e9,
        gpu_memory_gb=_most(price.gpu_bytes for _, price in left) / 1e9,
        host_memory_gb=_most(job.host_bytes for job, _ in left) / 1e9,
        epochs=_most(price.epochs for _, price in left),
        uncounted=", ".join(dict.fromkeys(part for _, price in left for part in price.uncounted)),
    )


def _most(values: Iterable[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def to_csv(table: Sequence[Row], device: Device) -> str:
    """The table as plan.csv has it; what is unknown is empty."""
    rows = pd.DataFrame(map(vars, table), columns=list(Row.__annotations__))
    rows = rows.assign(device=device.name, utilisation_percent=device.utilisation)
    return rows.to_csv(index=False, lineterminator="\n")


# ---------------------------------------------------------------- text

_UNBROKEN: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}


def report(priced: Priced, device: Device) -> str:
    """What the command prints of a study."""
    left = [(job, price) for job, price in priced if job.due]
    if not left:
        return f"all {len(priced)} jobs are done; nothing is left to pay for"
    flops = sum(price.flops for _, price in left)
    lines = [
        *table_lines(rows(priced, device), device),
        f"\n{_hours(device.hours(price for _, price in left))} hours of one {device.name} at"
        f" {device.utilisation:g} % of its {device.peak}."
        f" {len(priced) - len(left)} of {len(priced)} jobs are done and left out.",
        *_memory_lines(left),
        *_epoch_lines(rows(priced, device)),
        *(_concentration_lines(left) if flops else []),
    ]
    return "\n".join(lines)


def report_reruns(again: Priced, before: Sequence[Job], device: Device) -> str:
    """What the command prints of the jobs that a changed key runs again."""
    done = sum(not job.due for job in before)
    lines = [
        f"The study has {len(before)} jobs, {done} done. The change runs {len(again)} of them again"
        f" or for the first time{':' if again else '.'}"
    ]
    if again:
        table = rows(again, device)
        cheap = ", ".join(f"{row.rule} {row.jobs}" for row in table if not _is_dear(row))
        lines += ["", *table_lines(table, device)]
        lines += textwrap.wrap(f"Cheap rules: {cheap}.", 100, **_UNBROKEN) if cheap else []
    return "\n".join(lines)


def _is_dear(row: Row) -> bool:
    return bool(row.flops or row.gigabytes or row.uncounted)


def table_lines(table: Sequence[Row], device: Device) -> list[str]:
    """A line for each rule that costs something, one for all others, and one for the total."""
    lines = [
        _line("rule", "jobs", "FLOPs", f"{device.name}-hours", "disk", "GPU mem", "host mem", "")
    ]
    table = [row for row in table if row.jobs]
    dear = [row for row in table if _is_dear(row)]
    cheap = [row for row in table if not _is_dear(row)]
    for row in dear:
        more = f"without {row.uncounted}" if row.uncounted else ""
        flops = f"{row.flops:.2e}" if row.flops else "-"
        hours = _hours(row.hours) if row.flops else "-"
        memory = (size(row.gpu_memory_gb), size(row.host_memory_gb))
        lines.append(_line(row.rule, row.jobs, flops, hours, size(row.gigabytes), *memory, more))
    if cheap:
        host = size(_most(row.host_memory_gb for row in cheap))
        count = sum(row.jobs for row in cheap)
        lines.append(_line(f"{len(cheap)} cheap rules", count, "-", "-", "-", "-", host, ""))
    flops, hours = sum(row.flops for row in table), sum(row.hours for row in table)
    disk = sum(row.gigabytes for row in table)
    memory = [
        size(_most(getattr(row, kind) for row in table))
        for kind in ("gpu_memory_gb", "host_memory_gb")
    ]
    count = sum(row.jobs for row in table)
    lines.append(_line("total", count, f"{flops:.2e}", _hours(hours), size(disk), *memory, ""))
    return lines


def _line(rule: str, jobs: object, *columns: str) -> str:
    flops, hours, disk, gpu, host, more = columns
    return (
        f"{rule:<24}{jobs:>6}{flops:>11}{hours:>16}{disk:>10}{gpu:>10}{host:>10}  {more}".rstrip()
    )


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 99.5 else f"{hours:.2g}"


def size(gigabytes: float) -> str:
    """Gigabytes with a unit that suits them; "-" for less than a megabyte."""
    for unit, least in (("TB", 1000), ("GB", 1), ("MB", 0.001)):
        if gigabytes >= least:
            return f"{gigabytes / least:.3g} {unit}"
    return "-"


def _memory_lines(left: Priced) -> list[str]:
    known = [pair for pair in left if not math.isnan(pair[1].gpu_bytes)]
    if not known:
        return []
    job, price = max(known, key=lambda pair: pair[1].gpu_bytes)
    host = max((job for job, _ in left), key=lambda job: job.host_bytes)
    adopted = any(job.rule == "count_adopted" for job, _ in left)
    what = (
        "weights and activations in the model's dtype"
        if adopted
        else "weights, optimizer, activations in float32, frozen encoders in bfloat16"
    )
    return [
        f"Most memory of a GPU: {size(price.gpu_bytes / 1e9)}, {job.rule} {job.name} (estimate:"
        f" {what}). Most memory of a host:"
        f" {size(host.host_bytes / 1e9)}, {host.rule} {host.name}".rstrip()
        + "."
    ]


def _epoch_lines(table: Sequence[Row]) -> list[str]:
    seen = [row for row in table if not math.isnan(row.epochs)]
    if not seen:
        return []
    lines = [f"Epochs: {', '.join(f'{row.rule} {row.epochs:.3g}' for row in seen)}."]
    if many := [row.rule for row in seen if row.epochs > MANY_EPOCHS]:
        lines.append(
            f"Warning: {', '.join(many)} see their images more than {MANY_EPOCHS} times; a model"
            " may learn them by heart."
        )
    return lines


def concentration(priced: Priced) -> tuple[list[Job], float, int]:
    """The costliest tenth of the jobs, its share of all FLOPs, and how many have nine tenths."""
    by_cost = sorted(priced, key=lambda pair: pair[1].flops, reverse=True)
    total = sum(price.flops for _, price in priced)
    tenth = by_cost[: math.ceil(len(priced) / 10)]
    share = sum(price.flops for _, price in tenth) / total if total else 0.0
    running, count = 0.0, 0
    while running < 0.9 * total:
        running += by_cost[count][1].flops
        count += 1
    return [job for job, _ in tenth], share, count


def _concentration_lines(left: Priced) -> list[str]:
    tenth, share, count = concentration(left)
    lines = [
        f"Jobs that have nine tenths of the cost: {count}. The costliest tenth, {len(tenth)} of"
        f" {len(left)}, has {share:.0%}:"
    ]
    for rule in dict.fromkeys(job.rule for job in tenth):
        names = ", ".join(job.name for job in tenth if job.rule == rule)
        lines += textwrap.wrap(f"  {rule} {names}", 100, subsequent_indent="    ", **_UNBROKEN)
    return lines
