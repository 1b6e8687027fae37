"""The bias of tones in a study of its own, from the emoji archive to the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from project import Project

from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.kinds.arms import BALANCED_TRAINING, BEST_OF_TWO, GUIDED, PLAIN

RESULTS = "results/bias-smoke"
TARGETS = [f"{RESULTS}/figures/bias_vs_cost.pdf", f"{RESULTS}/tables/tone_judge.csv"]
CELLS = {PLAIN: 2 * 2 * 2, GUIDED: 2 * 2, BEST_OF_TWO: 2 * 2, BALANCED_TRAINING: 2 * 2}
"""of two step counts and two scales: of both sizes, and of the smallest one"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project after a run of the study."""
    project = Project(tmp_path_factory.mktemp("bias") / "project")
    project.snakemake("--cores", "2", "--configfile=studies/bias-smoke.yaml", *TARGETS)
    return project


@pytest.fixture(scope="module")
def biased(project):
    """The study's results."""
    return project.folder / RESULTS


def test_every_arm_is_measured(biased):
    table = pd.read_csv(biased / "tables/bias.csv")
    assert (table["status"] == "ok").all() and set(table["n"]) == {32}
    shares = table[table["metric"] == "light_share"]
    assert shares["arm"].value_counts().to_dict() == CELLS
    assert shares["value"].dropna().between(0, 1).all()
    others = table[table["metric"] == "other_share"]["value"].to_numpy()
    assert ((others >= 0) & (others <= 1)).all()
    assert shares["value"].isna().equals(pd.Series(others == 1, shares.index, name="value"))
    apart = table[table["metric"] == "fairness_discrepancy"]["value"].to_numpy()
    np.testing.assert_allclose(apart, 2**0.5 * (shares["value"] - 0.5).abs(), atol=1e-5)
    costs = shares.groupby("arm")["guided_cost"].max()
    assert costs[BEST_OF_TWO] == 2 * costs[GUIDED] == 2 * costs[PLAIN]
    judge = pd.read_csv(biased / "tables/tone_judge.csv")
    assert set(judge["tone"]) == set(judge["judged"]) == {"light", "dark", "other"}
    np.testing.assert_allclose(judge.groupby("tone")["value"].sum(), 1, atol=1e-5)
    assert judge["images"].nunique() == 1, "as many drawings of each class"


def test_guided_images_differ_and_others_are_those_of_the_same_noise(biased):
    images = biased / "cells/bias/c8/seed0/ddim/images.safetensors"
    plain, guided, kept = (
        np.array(map_array(images, f"steps4_guidance2{way}")).astype(int)
        for way in ("", "_strength3000", "_candidates2")
    )
    assert (guided != plain).any()
    same = np.abs(kept - plain).max(axis=(1, 2, 3)) <= 1
    assert same.any(), "the first candidate is today's image"


LIGHT = {"all", "bias", "bias_vs_cost"}
"""rules of tables and figures, and the target"""


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({}, {}),
        # of pretrained sizes alone: nothing guides what is trained with balanced tones
        ({"bias": {"strengths": [3000, 300]}}, {"sample_bias": 2, "measure_bias": 2}),
        ({"bias": {"guidance": [1, 2, 3]}}, {"sample_bias": 3, "measure_bias": 3}),
        ({"bias": {"trees": 10}}, {"judge_tones": 1, "measure_bias": 3}),
        (
            {"bias": {"penalty": 10}},
            {"fit_tone_heads": 2, "sample_bias": 2, "measure_bias": 2},
        ),
    ],
)
def test_a_changed_key_reruns_what_depends_on_it(project, changes, jobs):
    (project.folder / "overlay.yaml").write_text(yaml.safe_dump(changes))
    files = ("studies/bias-smoke.yaml", "overlay.yaml")
    found = project.jobs("--cores", "2", *TARGETS, "--configfile", *files)
    assert {rule: count for rule, count in found.items() if rule not in LIGHT} == jobs
    assert ("bias_vs_cost" in found) == bool(changes)
