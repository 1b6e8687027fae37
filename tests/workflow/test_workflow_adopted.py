"""The workflow of adopted models, without running it: which jobs a changed model makes again."""

from __future__ import annotations

import re

import pytest
import yaml
from project import pretend

TARGET = "results/mine/figures/fid_vs_cost.pdf"
DEAR = ["encode_prompts", "sweep", "measure"]
"""rules whose jobs are of one model"""


def overlay(project, commit: str) -> str:
    """The option for a study of a download at a commit, and of a folder."""
    models = [
        {"name": "fetched", "pretrained": "ORG/fetched", "side": 64, "revision": commit * 40},
        {"name": "own", "pretrained": "pipelines/own", "side": 64},
    ]
    study = {
        "name": "mine",
        "adopted": {"models": models, "reference": "own"},
        "sampling": {
            "samplers": ["native"],
            "other_schedules": None,
            "fixed": {"sampler": "native"},
        },
    }
    path = project.folder / f"mine-{commit}.yaml"
    path.write_text(yaml.safe_dump(study))
    return f"--configfile={path}"


@pytest.fixture(scope="module")
def done(project):
    """The study, as Snakemake leaves it when all of its jobs have run."""
    for name in ("model_index.json", "unet/config.json"):
        path = project.folder / "pipelines/own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    arguments = (TARGET, overlay(project, "a"))
    pretend(project, *arguments)
    project.snakemake("--cores", "1", "--touch", "--forceall", *arguments)
    assert project.jobs(*arguments) == {}
    return project


def jobs_of_models(project, *arguments: str) -> set[tuple[str, str]]:
    """The dear jobs of a dry run: rule and model."""
    printed = project.snakemake("-n", *arguments)
    rules = "|".join(DEAR)
    found = re.findall(rf"rule ({rules}):.*?size=([\w-]+)", printed, re.DOTALL)
    assert len(found) == len(set(found)) == len(re.findall(rf"rule (?:{rules}):", printed))
    return set(found)


def test_another_commit_samples_that_model_again_and_no_other(done):
    other = (TARGET, overlay(done, "b"))
    assert jobs_of_models(done, *other) == {(rule, "fetched") for rule in DEAR}
    assert done.jobs(*other)["fetch_hub"] == 1


def test_a_changed_file_of_a_folder_samples_that_model_again_and_no_other(done):
    (done.folder / "pipelines/own/unet/config.json").write_text('{"sample_size": 8}')
    same = (TARGET, overlay(done, "a"))
    assert jobs_of_models(done, *same) == {(rule, "own") for rule in DEAR}
    assert "fetch_hub" not in done.jobs(*same)


def test_a_hub_id_without_a_commit_is_planned_with_a_warning_and_not_fetched(project):
    path = project.folder / "uncommitted.yaml"
    named = {"models": [{"name": "m", "pretrained": "ORG/m", "side": 64}], "reference": "m"}
    sampling = {"samplers": ["native"], "other_schedules": None, "fixed": {"sampler": "native"}}
    path.write_text(yaml.safe_dump({"name": "mine", "adopted": named, "sampling": sampling}))
    warning = "config key adopted.models: m has no revision; give it the full commit of ORG/m"
    printed = project.snakemake("-n", TARGET, f"--configfile={path}")
    assert f"warning: {warning}" in printed and "rule sweep:" in printed
    refused = project.snakemake("-n", "prefetch", f"--configfile={path}", fails=True)
    assert warning in refused and "Traceback" not in refused
