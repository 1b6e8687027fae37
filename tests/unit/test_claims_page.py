"""Claims as a table and as a page, and what is noted beside them."""

import numpy as np
from claim_worlds import ALIGNMENT, IMAGES, QUALITY, TAUGHT_IMAGES, world

from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.render import COLUMNS, page, table
from ldm_scaling.claims.statement import NOT_RUN, find
from ldm_scaling.kinds.stages import DREAMBOOTH


def larger_is_better(r):
    return -0.3 * r["z"]


# ------------------------------------------------------------ notes


def notes(**changed):
    evidence = world(**changed)
    return {claim.id: find(claim, evidence).note for claim in CLAIMS}


def test_a_statistic_of_another_sampler_than_the_figures_says_so():
    assert not any(notes().values())
    found = notes(figure_sampler="dpmpp")
    note = "of ddim; the figure shows dpmpp"
    assert found["smaller-wins-at-the-cost-of-4-steps"] == note  # the paper's is of DDIM
    assert found["few-steps-want-weaker-guidance"] == note  # the fixed setting's
    assert found["sizes-compare-alike-with-ddpm"] == note
    assert (
        found["smaller-wins-at-the-cost-of-4-steps-with-ddpm"] == ""
    )  # the figure has all samplers
    assert found["quality-improves-with-size"] == ""  # the figure is of the fixed setting
    fixed = {"sampler": "ddpm", "steps": 50, "guidance": 8}
    found = notes(fixed=fixed)
    assert found["few-steps-want-weaker-guidance"] == "of ddpm; the figure shows ddim"
    assert found["smaller-wins-at-the-cost-of-4-steps"] == ""


# ------------------------------------------------------------ the page


def test_the_table_has_a_row_for_each_claim_and_the_page_the_same_verdicts():
    evidence = world(larger_is_better, study="a|b")
    findings = [find(claim, evidence) for claim in CLAIMS]
    rows = table(findings)
    assert list(rows.columns) == COLUMNS
    assert list(rows["id"]) == [claim.id for claim in CLAIMS]
    taught = np.array([claim.stage == DREAMBOOTH for claim in CLAIMS])
    assert set(rows.loc[~taught, "n"].dropna()) == {IMAGES}
    assert set(rows.loc[taught, "n"].dropna()) == {TAUGHT_IMAGES}
    ran = rows["verdict"] != NOT_RUN
    assert (rows.loc[ran, "lo"] <= rows.loc[ran, "estimate"]).all()
    assert (rows.loc[ran, "estimate"] <= rows.loc[ran, "hi"]).all()
    assert (rows.loc[~ran, "reason"] != "").all() and (rows.loc[ran, "reason"] == "").all()
    text = page(findings, evidence)
    lines = [line for line in text.splitlines() if line.startswith("| **")]
    assert [line.split("**")[1] for line in lines] == list(rows["verdict"])
    assert all(line.count(" | ") == 5 for line in lines)
    for name, count in rows["verdict"].value_counts().items():
        assert f"**{count} {name}**" in text
    for part in (
        "ddim, ddpm, dpmpp",
        f"n = {IMAGES} images a cell ({TAUGHT_IMAGES} for DreamBooth)",
        "95%",
        "one training seed",
        QUALITY,
        ALIGNMENT,
    ):
        assert part in text
