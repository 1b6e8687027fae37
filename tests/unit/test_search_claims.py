"""The claim on adaptive searches by hand, and what claims take of an adaptive study."""

from dataclasses import replace

import numpy as np
import pytest
from claim_worlds import world
from scipy.stats import beta

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import FAILS, HERE, UNDECIDED, find

BY_ID = {claim.id: claim for claim in CLAIMS}
AIM = BY_ID["adaptive-search-reaches-its-aim"]


def changed(evidence, **columns):
    searches = evidence.searches.assign(**columns)
    return Evidence(evidence.spec, evidence.family, evidence.cells, searches=searches)


def test_the_interval_is_jeffreys():
    evidence = world(samplers=["ddim"])
    count, successes = len(evidence.searches), int(evidence.searches["success"].sum())
    finding = find(AIM, evidence)
    assert finding.estimate == pytest.approx(successes / count - 0.95)
    expected = beta(successes + 0.5, count - successes + 0.5).ppf([0.025, 0.975]) - 0.95
    assert [finding.lo, finding.hi] == pytest.approx(expected, abs=0.02)


def test_more_images_than_the_aim_fail_whatever_is_found():
    evidence = changed(world(), images=36, success=True)
    finding = find(AIM, evidence)
    assert finding.verdict == FAILS + HERE and finding.estimate == pytest.approx(-0.01)
    # one model that takes many decides nothing, since another draw of models may lack it
    one = evidence.searches["size"] == evidence.searches["size"].iloc[0]
    images = np.where(one, 300, 1)
    finding = find(AIM, changed(evidence, images=images))
    assert finding.verdict == UNDECIDED and finding.estimate < 0 < finding.hi


def test_a_study_without_replayed_searches_says_so():
    evidence = world()
    without = Evidence(evidence.spec, evidence.family, evidence.cells)
    assert "no search was replayed" in find(AIM, without).reason
    assert "no search found anything" in find(AIM, changed(evidence, status="failed")).reason


@pytest.mark.parametrize(
    "name",
    [
        "guidance-moves-quality-more-than-alignment",
        "few-steps-want-weaker-guidance",
        "large-sizes-want-weaker-guidance",
        "retuning-guidance-beats-size",
        "retuning-guidance-of-c128-beats-size",
    ],
)
def test_claims_on_the_scale_itself_need_every_scale(name):
    evidence = world()
    assert find(BY_ID[name], evidence).reason == ""
    searched = replace(evidence, spec=evidence.spec.model_copy(update={"search": "adaptive"}))
    assert "does not sample every guidance scale" in find(BY_ID[name], searched).reason
