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
    # one job stands for all that Slurm treats alike
    jobs = {_kind(job): job for job in workflow.dag.needrun_jobs() if not job.is_local}
    for job in jobs.values():
        if objection := _objection(_options(executor, job)):
            name, words = objection
            return (
                f"Slurm refuses the jobs: {words}. Set {name} in {PROFILE}, default-resources;"
                f" to see the choices: {CHOICES[name]}"
            )
    return None


def _kind(job: Any) -> tuple[str, ...]:
    """What a site may require an account or a partition for."""
    gpu = "gpu" if job.resources.get("gpu") else ""
    return gpu, *(str(job.resources.get(name, "")) for name in (*CHOICES, "qos"))


def _options(executor: Any, job: Any) -> list[str]:
    """What sbatch will be given for a job; a site may refuse one that lacks any of it."""
    # here, since every job reads this module and the plugin imports pandas
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string

    submission = {
        "run_uuid": "test",
        "slurm_logfile": "/dev/null",
        "comment_str": "",
        "account": next(executor.get_account_arg(job)),
        "partition": executor.get_partition_arg(job),
        "workdir": None,
    }
    settings = executor.workflow.executor_settings
    command = get_submit_command(job, submission, settings=settings) + set_gres_string(job)
    return shlex.split(command)[1:]


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
