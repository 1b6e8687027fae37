"""Claims as a table and as a page, and what is noted beside them."""

import numpy as np
import pytest
from claim_cells import ALIGNMENT, IMAGES, QUALITY, TAUGHT_IMAGES
from claim_worlds import world

from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.render import COLUMNS, page, table
from ldm_scaling.claims.statement import FAILS, HOLDS, NOT_RUN, UNDECIDED, Finding, find
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
    # cells on another schedule are those of the first sampler
    id_ = "smaller-wins-at-the-cost-of-2-steps-on-leading"
    claim = next(own for own in CLAIMS if own.id == id_)
    assert find(claim, world()).verdict != NOT_RUN
    found = find(claim, world(figure_sampler="dpmpp"))
    assert "sampler dpmpp on other schedule leading is not in the study" in found.reason
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


@pytest.mark.parametrize(
    ("chances", "verdicts", "line"),
    [
        # Benjamini and Yekutieli at 10 %: the k-th of five at most 0.1 k / (5 x 137 / 60)
        (
            (1e-6, 0.008, 0.02, 0.03, 0.04),
            (HOLDS, FAILS, UNDECIDED, HOLDS, UNDECIDED),
            "3 of the 3",
        ),
        ((0.049, 0.9, 0.9), (HOLDS, UNDECIDED, UNDECIDED), "0 of the 1"),
        ((0.07,), (UNDECIDED,), "0 of the 0"),
    ],
)
def test_of_decided_claims_those_remain_that_a_false_discovery_rate_leaves(chances, verdicts, line):
    decided = zip(CLAIMS, verdicts, chances, strict=False)
    findings = [Finding(claim, verdict, 1, 0.5, 1.5, chance) for claim, verdict, chance in decided]
    assert f" {line} that were decided remain" in page(findings, world())
