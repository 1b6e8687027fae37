"""The bias of tones in a study of its own, from the emoji archive to the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from project import Project

from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.kinds.arms import BALANCED_TRAINING, BEST_OF_TWO, GUIDED, PLAIN

RESULTS = "results/smoke-bias"
TARGETS = [f"{RESULTS}/figures/bias_vs_cost.pdf", f"{RESULTS}/tables/tone_judge.csv"]
CELLS = {PLAIN: 2 * 2 * 2, GUIDED: 2 * 2, BEST_OF_TWO: 2 * 2, BALANCED_TRAINING: 2 * 2}
"""of two step counts and two scales: of both sizes, and of the smallest one"""


@pytest.fixture(scope="module")
def biased(tmp_path_factory):
    """The study after a run."""
    project = Project(tmp_path_factory.mktemp("bias") / "project")
    project.snakemake("--cores", "2", "--configfile=studies/smoke-bias.yaml", *TARGETS)
    return project.folder / RESULTS


def test_every_arm_is_measured(biased):
    table = pd.read_csv(biased / "tables/bias.csv")
    assert (table["status"] == "ok").all() and set(table["n"]) == {32}
    shares = table[table["metric"] == "light_share"]
    assert shares["arm"].value_counts().to_dict() == CELLS
    assert shares["value"].between(0, 1).all()
    apart = table[table["metric"] == "fairness_discrepancy"]["value"].to_numpy()
    np.testing.assert_allclose(apart, 2**0.5 * (shares["value"] - 0.5).abs(), atol=1e-5)
    costs = shares.groupby("arm")["guided_cost"].max()
    assert costs[BEST_OF_TWO] == 2 * costs[GUIDED] == 2 * costs[PLAIN]
    judge = pd.read_csv(biased / "tables/tone_judge.csv")
    np.testing.assert_allclose(judge.groupby("tone")["value"].sum(), 1)


def test_guided_images_differ_and_others_are_those_of_the_same_noise(biased):
    images = biased / "cells/bias/c8/seed0/ddim/images.safetensors"
    plain, guided, kept = (
        np.array(map_array(images, f"steps4_guidance2{way}")).astype(int)
        for way in ("", "_strength3000", "_candidates2")
    )
    assert (guided != plain).any()
    same = np.abs(kept - plain).max(axis=(1, 2, 3)) <= 1
    assert same.any(), "the first candidate is today's image"
