"""The workflow of adopted models, without running it: which jobs a changed model makes again."""

from __future__ import annotations

import re

import pytest
import yaml
from project import pretend

TARGET = "results/mine/figures/fid_vs_cost.pdf"
COMMIT = "3f2a9c51d07be648a1b3c95e7d2046f8e19ab7c4"
OTHER = COMMIT[::-1]
DEAR = ["encode_prompts", "sweep", "measure"]
"""rules whose jobs are of one model"""


def overlay(project, commit: str) -> str:
    """The option for a study of a download at a commit, and of a folder."""
    models = [
        {"name": "fetched", "pretrained": "ORG/fetched", "side": 64, "revision": commit},
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
    path = project.folder / f"{commit}.yaml"
    path.write_text(yaml.safe_dump(study))
    return f"--configfile={path}"


@pytest.fixture(scope="module")
def done(project):
    """The study, as Snakemake leaves it when all of its jobs have run."""
    for name in ("model_index.json", "unet/config.json"):
        path = project.folder / "pipelines/own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    arguments = (TARGET, overlay(project, COMMIT))
    pretend(project, *arguments)
    project.snakemake("--cores", "1", "--touch", "--forceall", *arguments)
    assert project.jobs(*arguments) == {}
    return project


def of_one_model(printed: str) -> set[tuple[str, str]]:
    """The jobs of DEAR in a dry run: rule and model."""
    found = re.findall(rf"rule ({'|'.join(DEAR)}):.*?size=([\w-]+)", printed, re.DOTALL)
    assert len(found) == len(set(found))
    return set(found)


def test_another_commit_samples_that_model_again_and_no_other(done):
    printed = done.snakemake("-n", TARGET, overlay(done, OTHER))
    assert of_one_model(printed) == {(rule, "fetched") for rule in DEAR}
    assert "rule fetch_hub:" in printed


def test_a_changed_file_of_a_folder_samples_that_model_again_and_no_other(done):
    (done.folder / "pipelines/own/unet/config.json").write_text('{"sample_size": 8}')
    printed = done.snakemake("-n", TARGET, overlay(done, COMMIT))
    assert of_one_model(printed) == {(rule, "own") for rule in DEAR}
    assert "rule fetch_hub:" not in printed
