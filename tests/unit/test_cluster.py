"""What Slurm is asked before the first job, and what its answers lead to.

The answers are Slurm's own; tests/slurm asks a real one.
"""

from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList

from ldm_scaling.workflow.cluster import refusal

NO_PARTITION = "allocation failure: No partition specified or system default partition"
NO_ACCOUNT = "allocation failure: Invalid account or account/partition combination specified"
NO_SUCH_PARTITION = """\
sbatch: error: invalid partition specified: nope
allocation failure: Invalid partition name specified"""
OF_THE_SITE = """\
sbatch: error: Please give an account by -A.
allocation failure: Unspecified error"""
NOT_NOW = [
    "allocation failure: Requested node configuration is not available",
    "allocation failure: Required partition not available (inactive or drain)",
    "allocation failure: Requested time limit is invalid (missing or exceeds some limit)",
    "allocation failure: Unable to contact slurm controller (connect failure)",
    "allocation failure: Job violates accounting/QOS policy (job submit limit, user's size)",
]


class Executor:
    """What the plugin gives to sbatch for a job's account and partition."""

    workflow = SimpleNamespace(executor_settings=None)

    def get_account_arg(self, job):
        account = job.resources.get("slurm_account")
        yield f" -A {account}" if account else ""

    def get_partition_arg(self, job):
        return f" -p {job.resources.get('slurm_partition', 'normal')}"


def job(local=False, **resources):
    return SimpleNamespace(resources=ResourceList(fromdict=resources), is_local=local, threads=1)


def workflow(*jobs, executor=None):
    return SimpleNamespace(
        scheduler=SimpleNamespace(_executor=executor or Executor()),
        dag=SimpleNamespace(needrun_jobs=lambda: jobs),
    )


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Sets what sbatch answers, if it does not accept; returns the questions that it was asked.

    It accepts a question with the words that a site wants.
    """
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    names = ("sbatch", "answer", "questions", "wanted")
    program, answer, questions, wanted = (tmp_path / name for name in names)
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {questions}\n[ -e {answer} ] || exit 0\n'
        f'[ -e {wanted} ] && echo " $* " | grep -q -e "$(cat {wanted})" && exit 0\n'
        f"cat {answer} >&2\nexit 1\n"
    )
    program.chmod(0o755)

    def answers(text, unless=""):
        if text:
            answer.write_text(text + "\n")
        if unless:
            wanted.write_text(unless)
        return lambda: questions.read_text().splitlines() if questions.exists() else []

    return answers


@pytest.mark.parametrize(
    ("answer", "name", "words"),
    [
        (NO_PARTITION, "slurm_partition", "No partition specified or system default partition."),
        (NO_ACCOUNT, "slurm_account", "Invalid account or account/partition combination"),
        (NO_SUCH_PARTITION, "slurm_partition", "Invalid partition name specified."),
        (OF_THE_SITE, "slurm_account", "Please give an account by -A."),
    ],
)
def test_a_refusal_is_one_line_with_the_key_and_the_file(sbatch, answer, name, words):
    sbatch(answer)
    line = refusal(workflow(job()))
    assert words in line
    assert f"Set {name} in profiles/slurm/config.yaml, default-resources" in line
    assert "\n" not in line


@pytest.mark.parametrize("answer", ["", *NOT_NOW])
def test_what_is_no_matter_of_account_or_partition_stops_nothing(sbatch, answer):
    sbatch(answer)
    assert refusal(workflow(job())) is None


@pytest.mark.parametrize(
    ("answer", "unless"),
    [
        ("error: partition normal needs a time limit", " -t 60 "),
        ("error: Memory is required on this partition", " --mem 4000 "),
        ("error: partition gpu is only for jobs that ask for GPUs", " --gpus=2 "),
        ("error: this account needs a QOS", " --qos=long "),
        ("error: the partition has no default cores", " --cpus-per-"),
        ("error: partition normal needs a constraint", " --constraint=a100 "),
    ],
)
def test_the_question_has_what_the_job_will_have(sbatch, answer, unless):
    sbatch(f"sbatch: {answer}", unless)
    resources = {"runtime": 60, "mem_mb": 4000, "gpu": 2, "qos": "long"}
    assert refusal(workflow(job(**resources, slurm_extra="'--constraint=a100'"))) is None


def test_jobs_that_slurm_treats_alike_are_asked_for_once(sbatch):
    questions = sbatch("")
    jobs = [job(mem_mb=1), job(mem_mb=2), job(gpu=1), job(gpu=4)]
    jobs += [job(slurm_partition="gpu", slurm_account="lab")]
    assert refusal(workflow(*jobs, job(local=True, slurm_partition="elsewhere"))) is None
    asked = [words.split() for words in questions()]
    assert all("--test-only" in words and words[-2:] == ["--wrap", "true"] for words in asked)
    assert ["lab" in words for words in asked] == [False, False, True]
    assert ["--gpus=" in " ".join(words) for words in asked] == [False, True, False]


def test_another_executor_asks_nothing(sbatch):
    questions = sbatch(NO_PARTITION)
    assert refusal(workflow(job(), executor=object())) is None
    assert questions() == []


def test_a_machine_without_slurm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no sbatch" in refusal(workflow(job()))
