"""What a study would cost: jobs, FLOPs, hours of a device and disk, by rule, without running it.

Writes plan.csv, one row a rule, and prints it with its total. A job whose last output is there is
done and left out.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from ..costs.networks import count_networks
from ..jobs.cli import InputError, parse_spec, parser, positive, run
from ..jobs.tables import to_csv
from ..jobs.workdir import write_text
from ..study.fields import StudyError
from ..study.load import load_study
from ..study.study import Study
from .jobs import Job, split_images, study_jobs

DEVICES = {
    "a100": (312e12, "bfloat16"),
    "h100": (989e12, "bfloat16"),
    "h200": (989e12, "bfloat16"),
    "l40s": (362e12, "bfloat16"),
    "rtx4090": (165e12, "bfloat16"),
    "v100": (125e12, "float16"),
    "core": (96e9, "float32"),
}
"""peak FLOP/s of dense matrix products, and their precision: GPUs by their makers' data sheets; a
processor's core with two fused multiply-adds of 8 numbers a cycle (AVX2) at 3 GHz"""
COLUMNS = ["rule", "jobs", "done", "flops", "hours", "gigabytes", "uncounted"]


def plan_table(jobs: list[Job], flops_per_second: float) -> pd.DataFrame:
    """One row a rule, in the columns `COLUMNS`; costs are those of jobs that are not done.

    `uncounted` names parts whose FLOPs or bytes are unknown and missing in the sums.
    """
    rows = []
    for rule in dict.fromkeys(job.rule for job in jobs):
        own = [job for job in jobs if job.rule == rule]
        left = to_do(own)
        flops = sum(job.flops for job in left)
        disk = sum(job.bytes for job in left if not math.isnan(job.bytes))
        uncounted = dict.fromkeys(part for job in left for part in job.uncounted)
        done = len(own) - len(left)
        hours = flops / flops_per_second / 3600
        rows.append((rule, len(left), done, flops, hours, disk / 1e9, ", ".join(uncounted)))
    return pd.DataFrame(rows, columns=COLUMNS)


def to_do(jobs: list[Job]) -> list[Job]:
    """The jobs whose output is not there."""
    return [job for job in jobs if not Path(job.output).exists()]


_UNBROKEN = {"break_on_hyphens": False, "break_long_words": False}


def concentration(jobs: list[Job]) -> tuple[list[Job], float, int]:
    """The costliest tenth of the jobs, its share of all FLOPs, and how many have nine tenths."""
    by_cost = sorted(jobs, key=lambda job: job.flops, reverse=True)
    total = sum(job.flops for job in jobs)
    tenth = by_cost[: math.ceil(len(jobs) / 10)]
    share = sum(job.flops for job in tenth) / total if total else 0.0
    running, count = 0.0, 0
    while running < 0.9 * total:
        running += by_cost[count].flops
        count += 1
    return tenth, share, count


def report(table: pd.DataFrame, jobs: list[Job], device: str, utilisation: float) -> str:
    """What the command prints."""
    left = to_do(jobs)
    if not left:
        return f"all {len(jobs)} jobs are done; nothing is left to pay for"
    lines = [_line("rule", "jobs", "FLOPs", f"{device}-hours", "disk", "")]
    for row in table[table["jobs"] > 0].itertuples():
        more = f"without {row.uncounted}" if row.uncounted else ""
        flops = f"{row.flops:.2e}" if row.flops else "-"
        hours = _hours(row.hours) if row.flops else "-"
        lines.append(_line(row.rule, row.jobs, flops, hours, _disk(row.gigabytes), more))
    total = table[["flops", "hours", "gigabytes"]].sum()
    hours, disk = _hours(total["hours"]), _disk(total["gigabytes"])
    lines.append(_line("total", len(left), f"{total['flops']:.2e}", hours, disk, ""))
    peak, precision = DEVICES[device]
    lines.append(
        f"\n{hours} hours of one {device} at {utilisation:g} % of its {peak / 1e12:g} TFLOP/s"
        f" ({precision}). {len(jobs) - len(left)} of {len(jobs)} jobs are done and left out."
    )
    if total["flops"]:
        tenth, share, count = concentration(left)
        lines.append(
            f"Jobs that have nine tenths of the cost: {count}. The costliest tenth, {len(tenth)} of"
            f" {len(left)}, has {share:.0%}:"
        )
        for rule in dict.fromkeys(job.rule for job in tenth):
            names = ", ".join(job.name for job in tenth if job.rule == rule)
            lines += textwrap.wrap(f"  {rule} {names}", 100, subsequent_indent="    ", **_UNBROKEN)
    return "\n".join(lines)


def _line(rule: str, jobs: object, flops: str, hours: str, disk: str, more: str) -> str:
    return f"{rule:<24}{jobs:>6}{flops:>11}{hours:>16}{disk:>10}  {more}".rstrip()


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 99.5 else f"{hours:.2g}"


def _disk(gigabytes: float) -> str:
    for unit, size in (("TB", 1000), ("GB", 1), ("MB", 0.001)):
        if gigabytes >= size:
            return f"{gigabytes / size:.3g} {unit}"
    return "-"


def read_study(paths: Sequence[Path]) -> Study:
    """The study of configuration files, merged as Snakemake merges them.

    Raises InputError naming the file that is no YAML, or the key that is wrong.
    """
    config: dict = {}
    for path in paths:
        try:
            update_config(config, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except (yaml.YAMLError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} has no keys and values in YAML ({reason})") from None
    try:
        return load_study(config, paths)
    except StudyError as error:
        raise InputError(str(error)) from None


def main() -> None:
    """Command line."""
    arguments = parser(__doc__)
    which = arguments.add_mutually_exclusive_group(required=True)
    which.add_argument("--spec", type=partial(parse_spec, Study), help="JSON of a study, or @FILE")
    which.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="its files instead, such as config.yaml studies/paper.yaml; later ones change earlier",
    )
    arguments.add_argument("--device", choices=DEVICES, default="a100", help="(%(default)s)")
    arguments.add_argument(
        "--utilisation",
        type=positive(float),
        default=30,
        help="percent of the device's peak that jobs reach (%(default)s)",
    )
    arguments.add_argument("--out", type=Path, help="plan.csv (that of the study's results)")
    options = arguments.parse_args()
    study: Study = options.spec or read_study(options.configfile)
    jobs = study_jobs(study, count_networks(study), split_images(study))
    peak, _ = DEVICES[options.device]
    table = plan_table(jobs, peak * options.utilisation / 100)
    hardware = {"device": options.device, "utilisation_percent": options.utilisation}
    out = options.out or Path(study.results, "plan.csv")
    write_text(out, to_csv(table.assign(**hardware)))
    print(report(table, jobs, options.device, options.utilisation))


if __name__ == "__main__":
    run(main)
