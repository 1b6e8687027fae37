"""The plan beside Snakemake's own dry runs, and its command line."""

from collections import Counter

import pandas as pd
import pytest
import yaml
from plans import of_package, study_of
from project import ROOT, SMOKE
from ready import jobs_in

from ldm_scaling.plan.dag import reruns


def plan(project, *arguments, fails=False):
    """What `python -m ldm_scaling.plan` prints."""
    done = of_package(project.folder, "-m", "ldm_scaling.plan", *arguments)
    assert (done.returncode != 0) == fails, done.stderr.decode()[-3000:]
    return (done.stderr if fails else done.stdout).decode()


def test_the_plan_has_the_jobs_that_would_run(project):
    printed = plan(project, "--configfile", "studies/smoke.yaml", "--device", "h100")
    table = pd.read_csv(project.folder / "results/smoke/plan.csv").set_index("rule")
    assert table.loc[table["jobs"] > 0, "jobs"].to_dict() | {"all": 1} == project.jobs(*SMOKE)
    fetched = [rule for rule in table.index if rule.startswith("fetch_")]
    assert table["done"].to_dict() == {rule: int(rule in fetched) for rule in table.index}
    assert f"{len(fetched)} of {table[['jobs', 'done']].sum().sum()} jobs are done" in printed
    assert "hours of one h100 at 30 % of its 989 TFLOP/s" in printed
    assert table.loc["pretrain", ["flops", "gpu_memory_gb", "host_memory_gb", "epochs"]].min() > 0
    assert not (project.folder / "results/smoke/data").exists()


def test_a_study_that_cannot_be_planned_is_one_line(project):
    for change in ("training.lrr=1", "training.lr"):
        message = plan(project, "--change", change, fails=True)
        assert len(message.splitlines()) == 1 and "lr" in message
    (project.folder / "prose.yaml").write_text("a study\n")
    assert "prose.yaml" in plan(project, "--configfile", "prose.yaml", fails=True)


@pytest.fixture(scope="module")
def touched(project):
    """A project with every output of the smoke study, as Snakemake leaves them, and its jobs."""
    for job in jobs_in(project.folder, "studies/smoke.yaml"):
        for path in job.outputs:
            file = project.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    project.snakemake("--touch", "--forceall", *SMOKE)
    jobs = jobs_in(project.folder, "studies/smoke.yaml")
    assert not [job for job in jobs if job.due]
    return project, jobs


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"lr": 0.0002}},  # everything after the models
        {"sampling": {"steps": [2, 8]}},  # also the size of a table, not the models
        {"metrics": {"bootstrap": 60}},
        {"figures": {"prompts": [3, 1]}},  # what a figure shows
        {"family": {"reference_size": "c8"}},
    ],
)
def test_a_changed_key_reruns_what_snakemake_reruns(touched, change):
    project, before = touched
    found = reruns(before, jobs_in(project.folder, "studies/smoke.yaml", config=change))
    (project.folder / "change.yaml").write_text(yaml.safe_dump(change))
    dry = project.jobs("--cores", "2", "--configfile", "studies/smoke.yaml", "change.yaml")
    assert found and Counter(job.rule for job in found) | {"all": 1} == dry


def test_every_job_that_loads_a_large_text_encoder_has_the_memory():
    own = study_of("paper").param_budget.text_encoders[-1]
    large = {"latents": {"text_encoder": own.model_dump() | {"max_tokens": 20}}}
    jobs = [*jobs_in(ROOT, config=large), *jobs_in(ROOT, "studies/paper.yaml", config=large)]
    folder = own.pretrained.replace("/", "--")
    loading = [job for job in jobs if folder in " ".join(job.inputs) and job.gpus]
    rules = {"encode_text", "encode_part", "encode_subjects", "fit_clip_like"}
    assert rules < {job.rule for job in loading}
    few = {job.rule: job.host_bytes for job in loading if job.host_bytes < 4 * 4.86e9}
    assert few == {}
