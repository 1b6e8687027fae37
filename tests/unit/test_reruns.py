"""What docs/what-reruns.md says, against a few facts and against the code."""

import re

import pytest

from ldm_scaling.workflow import reruns
from ldm_scaling.workflow.decided import decided_by, makers, rules_of


@pytest.fixture(scope="module")
def document(request):
    return (request.config.rootpath / "docs/what-reruns.md").read_text()


def test_the_tables_are_as_the_code_has_them(document, root):
    """If not: python -m ldm_scaling.workflow.reruns."""
    assert reruns.renewed(document, root) == document


def test_keys_decide_the_jobs_that_read_them(pocket_config):
    found = decided_by(pocket_config, ("training", "figures", "latency"))
    assert found["training", "clip_norm"] == {"pretrain", "pretrain_pair"}
    assert found["training", "min_snr_gamma"] == {"pretrain", "pretrain_pair", "dreambooth"}
    assert found["figures", "guidance_sizes"] == {"guidance_interaction", "guidance_samples"}
    assert found["latency", "batches"] == {"latency"}


def test_every_spec_names_rules_that_there_are(root):
    written = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    known = {*re.findall(r"^(?:rule|use rule \w+ as) (\w+)", written, re.MULTILINE)}
    known |= {*reruns.BESIDE, *reruns._TABLES, *reruns._FIGURES}
    assert {rule for rule, _ in makers()} <= known


def test_rules_are_read_from_docstrings():
    assert rules_of("Of rule a, for b; of rule c. Of rules d and e: f.") == ["a", "c", "d", "e"]


def test_names_are_listed_by_what_is_left_out_if_that_is_shorter():
    figures = reruns._FIGURES
    assert reruns.listed(figures[1:]) == f"all figures but `{figures[0]}`"
    assert reruns.listed([figures[1], "pretrain", figures[0]]) == (
        f"`pretrain`, `{figures[0]}`, `{figures[1]}`"
    )
    assert reruns.listed([]) == "-"
