"""Ask Slurm, before the first job, whether it accepts the account and the partition of the jobs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import Any

PROFILE = "profiles/slurm/config.yaml"
CHOICES = {
    "slurm_account": "sacctmgr show assoc user=$USER format=account,partition",
    "slurm_partition": "sinfo --summarize",
}
"""Resources that Slurm may want to be told, and the commands that list their values."""


def refusal(workflow: Any) -> str | None:
    """Say in one line which of CHOICES Slurm misses or refuses, and where to set it.

    None: Slurm takes the jobs, the jobs run elsewhere, or Slurm objects to something else. The
    executor reports every other objection itself, and some of them only mean "not now".
    `workflow` is Snakemake's, with its DAG and its scheduler.
    """
    executor = workflow.scheduler._executor  # no public way leads to what sbatch will be given
    if not hasattr(executor, "get_partition_arg"):
        return None
    if shutil.which("sbatch") is None:
        return "this machine has no sbatch; without --profile slurm the jobs run on it: --cores all"
    # one job stands for all that the profile and the command line treat alike
    jobs = {
        tuple(str(job.resources.get(name, "")) for name in CHOICES): job
        for job in workflow.dag.needrun_jobs()
        if not job.is_local
    }
    for job in jobs.values():
        options = next(executor.get_account_arg(job)) + executor.get_partition_arg(job)
        if objection := _objection(shlex.split(options)):
            name, words = objection
            return (
                f"Slurm refuses the jobs: {words}. Set {name} in {PROFILE}, default-resources;"
                f" to see the choices: {CHOICES[name]}"
            )
    return None


def _objection(options: list[str]) -> tuple[str, str] | None:
    """The resource that sbatch refuses, with its words; nothing is submitted."""
    command = ["sbatch", "--test-only", *options, "--wrap", "true"]
    answer = subprocess.run(command, text=True, capture_output=True)
    if answer.returncode == 0:
        return None
    for line in reversed(answer.stderr.splitlines()):  # Slurm's own words come last
        found = re.fullmatch(r"(?:.*(?:error|failure): )+(.*)", line.strip())
        if found is None or "not available" in line:  # a partition that is down: not now
            continue
        for name in CHOICES:
            if re.search(rf"\b{name.removeprefix('slurm_')}\b", found[1], re.IGNORECASE):
                return name, found[1].rstrip(".")
    return None
