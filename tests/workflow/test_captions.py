"""The report's texts: every figure and table has one, and they quote the study's own numbers.

The study is a pretended one: every output of every job is an empty file.
"""

import json
import re
import zipfile
from html import unescape

import pytest
from project import Project, pretend
from studies import WHOLE_OPTIONS

from ldm_scaling.workflow import targets

FIGURES = [*targets.FIGURES, "latency_vs_cost"]
PNGS = [f"results/figures/{name}.png" for name in FIGURES]
PAPER = re.compile(r"Answers (Figure|Table)|Figures? \d+ of the paper|paper has no such figure")


def write_report(project, *targets):
    """What stands in the report of some targets, by the names of its scripts."""
    project.snakemake("--report", "report.zip", *targets)
    with zipfile.ZipFile(project.folder / "report.zip") as archive:
        html = archive.read("report/report.html").decode()
    found = re.findall(r"^    var (workflow_desc|results|categories) = (.*);$", html, re.MULTILINE)
    return {name: json.loads(text) for name, text in found}


def words(html):
    """The text of a page without its tags and styles."""
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", html)).split())


def is_sound(html):
    """Whether the text has no error of reStructuredText, and no number that the study lacks."""
    errors = re.search(r"system-message|problematic", html)
    return not errors and not re.search(r" [,.;]|\(\)|None|Undefined|\{\{", words(html))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The pocket study with empty files for all results."""
    project = Project(tmp_path_factory.mktemp("report") / "project")
    pretend(project, "all", *PNGS, *WHOLE_OPTIONS)
    return project


@pytest.fixture(scope="module")
def report(project):
    return write_report(project, "all", *PNGS, *WHOLE_OPTIONS)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_caption_and_a_category(report, name):
    result = report["results"][f"results/figures/{name}.png"]
    assert is_sound(result["caption"]), words(result["caption"])
    assert PAPER.search(words(result["caption"]))
    assert "Study pocket" in words(result["caption"])
    assert re.fullmatch(rf"{name}( \([a-z]+\))?", result["labels"]["figure"])
    # in the category Other is what has none
    assert f"results/figures/{name}.png" not in str(report["categories"].get("Other"))


def test_every_table_has_a_caption(report, project):
    tables = [path for path in report["results"] if not path.startswith("results/figures/")]
    made = (project.folder / "results/tables").glob("*.csv")
    assert {str(path.relative_to(project.folder)) for path in made} <= set(tables)
    for path in tables:
        caption = report["results"][path]["caption"]
        assert caption and is_sound(caption), (path, words(caption))


def test_captions_quote_the_study(project):
    overlay = ("--config", "sampling={n: 321, samplers: [dpmpp, ddim]}", "metrics={select_by: kid}")
    name = "results/figures/fid_vs_cost.png"
    result = write_report(project, name, *overlay)["results"][name]
    assert "n = 321" in words(result["caption"])
    assert "kid_effnet_lite0, sampler dpmpp" in words(result["caption"])
    assert result["labels"] == {"figure": "fid_vs_cost (dpmpp)"}


def test_captions_say_what_the_figures_show(project):
    names = ["train_compute", "guidance_sweep", "guidance_samples", "equal_cost_samples"]
    pngs = [f"results/figures/{name}.png" for name in names]
    changes = (
        "training={seeds: [0, 3]}",
        "figures={budgets: [1, 3], prompts: [2, 5, 1]}",
    )
    changes += ("sampling={steps: [2, 4, 8], fixed: {sampler: ddim, steps: 11, guidance: 2}}",)
    overlay = (*WHOLE_OPTIONS, *changes)
    pretend(project, *pngs, *overlay)
    results = write_report(project, *pngs, *overlay)["results"]
    captions = [words(results[png]["caption"]) for png in pngs]
    compute, sweep, samples, equal_cost = captions
    for caption in (compute, sweep):
        assert "means over 2 training seeds, bands 95 % intervals over images and seeds" in caption
    assert "fd_effnet_lite0 and clip_like, sampler ddim, 11 steps" in compute
    # of the grid the most steps that are not more than the fixed ones; those are not in the grid
    assert "sampler ddim, 8 steps" in samples and samples.startswith("3 prompts,")
    assert "sampler ddim, budgets 1, 3 (" in equal_cost and "2, 4, 8" not in equal_cost


def test_the_start_page_leads_to_the_answer(report):
    page = report["workflow_desc"]
    assert is_sound(page), words(page)
    links = re.findall(r"showResultInfo\('(.*?)'\)", unescape(page))
    assert {"results/figures/fid_vs_cost.png", "results/claims.md"} <= set(links)
    assert re.search(r'<img [^>]*src="data/raw/\w+/fid_vs_cost.png"', page)
    assert set(links) <= set(report["results"])
    assert "sizes c12, c20, c32, c48" in words(page)
    assert "not FID" in words(page)


def test_the_start_page_begins_with_the_answer(project):
    said = "Study pocket\n  budget  choice      cost  value      tied with\n"
    said += "  0.1     nothing is so cheap\n  1       c32, DDIM   0.9   500 [400]  2 others\n"
    (project.folder / "results/answer.txt").write_text(said)
    page = write_report(project, "results/answer.txt")["workflow_desc"]
    assert is_sound(page) and "value tied with 1 c32, DDIM 0.9 500 [400] 2 others" in words(page)


def test_a_part_of_the_study_has_a_report_too(project):
    part = write_report(project, "results/figures/model_family.png")
    assert set(part["results"]) == {"results/figures/model_family.png", "results/tables/family.csv"}
    assert is_sound(part["workflow_desc"])
