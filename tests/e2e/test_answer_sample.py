"""The answer of a finished study, and images by its choice."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from PIL import Image

from ldm_scaling.answer.maker import maker_of
from ldm_scaling.answer.question import Question
from ldm_scaling.answer.sample import cell_of, rows_that_exist
from ldm_scaling.answer.source import own_source
from ldm_scaling.jobs.arrays import map_array

STUDY = "studies/smoke.yaml"


@pytest.fixture
def question(finished, monkeypatch) -> Question:
    monkeypatch.chdir(finished.folder)
    source = own_source(finished.folder / STUDY)
    return Question.of(source, None, [], None, 0.95)


def test_every_way_to_spend_a_budget_is_among_the_configurations(question):
    rows = question.allowed.rows
    assert {"pretrain", "distill", "stitch"} <= set(rows["stage"])
    assert rows["schedule"].nunique() > 1 and rows["allocation"].notna().any()


def test_sampled_images_are_those_of_the_cell(question, finished):
    study, rows = question.source.study, question.allowed.rows
    captions = pd.read_csv(finished.folder / study.results / "data/test.csv")["caption"]
    for stage in ("pretrain", "distill", "stitch"):
        row = rows[(rows["stage"] == stage) & (rows["schedule"] == "trailing")].iloc[-1]
        cell, maker = cell_of(study, row), maker_of(study, row, captions[0], 1)
        made, finite = maker.images(cell, [0])
        place = f"cells/{stage}/{row['size']}/seed0/{row['sampler']}/images.safetensors"
        expected = map_array(finished.folder / study.results / place, cell.name)[:1]
        assert finite and np.abs(made.astype(int) - expected).max() <= 1, stage


def test_make_sample_writes_a_sheet_by_the_choice(question, finished, tmp_path):
    out = tmp_path / "cat.png"
    words = ("--configfile", STUDY, "--prompt", "a smiling cat", "--images", 3, "--out", out)
    done = run_here("answer.sample", *words, "--budget", "1000", folder=finished.folder)
    assert done.returncode == 0, done.stderr
    choice = question.choose("guided_cost", 1000)
    assert str(question.row(choice.row)["size"]) in done.stdout
    assert Image.open(out).size[0] > 300


def test_only_models_that_exist_are_chosen(question, finished, tmp_path, monkeypatch):
    study = question.source.study
    copied = tmp_path / study.results / "models/pretrain/c8/seed0"
    copied.mkdir(parents=True)
    shutil.copy(finished.folder / study.results / "models/pretrain/c8/seed0/summary.json", copied)
    monkeypatch.chdir(tmp_path)
    rows = rows_that_exist(question, study).allowed.rows
    assert set(rows["size"]) == {"c8"} and set(rows["stage"]) == {"pretrain"}
