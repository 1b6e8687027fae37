"""What a study would cost, without running it: jobs, FLOPs, hours of a device, disk and memory.

Prices the jobs of target `all` that Snakemake would run, prints them by rule, and writes plan.csv,
one row a rule. With --change it says instead which jobs another value of a key would run again if
all were done, and what they cost.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from ..jobs.cli import parser, positive, run
from ..jobs.workdir import write_text
from .dag import add_workflow, build, reruns
from .devices import DEVICES
from .report import Device, report, report_reruns, rows, to_csv


def change(text: str) -> dict[str, Any]:
    """An argument type: `training.lr=2e-4` as {training: {lr: 2e-4}}."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text} must be KEY=VALUE, such as training.lr=2e-4")
    result: Any = value
    try:
        result = yaml.safe_load(value)
        # YAML has no number without a point before its exponent
        result = float(result) if isinstance(result, str) else result
    except yaml.YAMLError:
        raise argparse.ArgumentTypeError(f"{value} is no value of YAML") from None
    except ValueError:
        pass
    first, *others = key.split(".")
    for name in reversed(others):
        result = {name: result}
    return {first: result}


def _options() -> argparse.Namespace:
    arguments = parser(__doc__)
    add_workflow(arguments)
    arguments.add_argument(
        "--change",
        nargs="+",
        type=change,
        default=[],
        metavar="KEY=VALUE",
        help="what these values would run again, such as training.lr=2e-4",
    )
    arguments.add_argument("--device", choices=DEVICES, default="a100", help="(%(default)s)")
    arguments.add_argument(
        "--utilisation",
        type=positive(float),
        default=30,
        help="percent of the device's peak that jobs reach (%(default)s)",
    )
    arguments.add_argument("--out", type=Path, help="plan.csv (that of the study's results)")
    return arguments.parse_args()


def main() -> None:
    """Command line."""
    options, changes = _options(), {}
    for each in options.change:
        update_config(changes, each)
    with ProcessPoolExecutor(2) as pool:
        dags = [
            pool.submit(build, options.snakefile, options.configfile, config)
            for config in ([{}, changes] if changes else [{}])
        ]
        from .adopted import model_lines  # seconds of import, while the jobs are found
        from .known import results
        from .prices import know, priced

        jobs, *changed = (dag.result() for dag in dags)
    device = Device(options.device, options.utilisation)
    if not changed:
        known = know(jobs)
        study = priced(known)
        write_text(options.out or results(jobs) / "plan.csv", to_csv(rows(study, device), device))
        print("\n".join([report(study, device), *model_lines(known.adopted)]))
        return
    again = reruns(jobs, changed[0])
    study = priced(know(changed[0]))
    left = [(replace(job, due=True), price) for job, price in study if job in again]
    print(report_reruns(left, jobs, device))


if __name__ == "__main__":
    run(main)
