"""Rules made in a loop: each has its own inputs, and reruns when its own sources change."""

import os
import re
from pathlib import Path

import pytest
import yaml
from project import ROOT, SNAKEMAKE, pretend
from studies import WHOLE_OPTIONS, whole

from ldm_scaling.kinds.figures import FIGURES
from ldm_scaling.kinds.tables import TABLES
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import targets

RESULTS = ("all", "results/figures/latency_vs_cost.png", *WHOLE_OPTIONS)


@pytest.fixture(scope="module")
def jobs(project):
    """Inputs, outputs and GPU of every job of a study with every figure and table.

    The outputs are there.
    """
    printed = pretend(project, *RESULTS)
    found = []
    for block in re.split(r"\n(?=(?:local)?rule )", printed)[1:]:
        name = re.match(r"(?:local)?rule (\w+):", block)[1]
        files = {
            kind: set(", ".join(re.findall(rf"{kind}: (.*)", block)[:1]).split(", ")) - {""}
            for kind in ("input", "output")
        }
        found.append((name, files["input"], files["output"], "gpu=" in block))
    return found


@pytest.fixture(scope="module")
def study():
    return load_study(whole(yaml.safe_load((ROOT / "config.yaml").read_text())))


@pytest.mark.parametrize("kind", [*FIGURES, *TABLES], ids=lambda kind: kind[0])
def test_each_rule_has_its_own_inputs(kind, jobs, study):
    ((_, inputs, outputs, _),) = [job for job in jobs if job[0] == kind[0]]
    expected = targets.parts(kind, study).inputs
    sources = {path.partition("src/")[2] for path in expected.pop("sources")}
    own = {path for path in inputs if "src/ldm_scaling" in path}
    assert inputs - own == {path for paths in expected.values() for path in paths}
    assert {path.partition("src/")[2] for path in own} == sources
    if kind in FIGURES:
        stem = f"results/figures/{kind.name}"
        assert outputs == {f"{stem}.pdf", f"{stem}.png"}
        assert f"ldm_scaling/figures/{kind.name}.py" in sources


def test_an_edited_source_reruns_nothing_that_takes_long(jobs):
    tainted = {path for _, inputs, _, _ in jobs for path in inputs if "src/ldm_scaling" in path}
    reached, before = set(), None
    while before != len(tainted):
        before = len(tainted)
        for name, inputs, outputs, gpu in jobs:
            if inputs & tainted:
                tainted |= outputs
                reached.add((name, gpu))
    assert not [name for name, gpu in reached if gpu]
    names = {kind[0] for kind in (*FIGURES, *TABLES)}
    assert {name for name, _ in reached} == names | {
        *("collect", "count_components", "count_pairs", "answer", "explorer"),
        "all",
    }


@pytest.mark.usefixtures("jobs")
def test_a_helper_three_imports_deep_redraws_the_figures_above_it(project):
    source = project.folder / "src/ldm_scaling"
    planted = {"third": "", "second": "from . import third", "first": "from .second import third"}
    texts = {source / f"tables/{name}.py": f"{text}\n" for name, text in planted.items()}
    for name in ("fid_vs_seconds", "sr_vs_cost"):
        module = source / f"figures/{name}.py"
        texts[module] = f"{module.read_text()}\nfrom ..tables import first  # planted\n"
    for file, text in texts.items():
        file.write_text(text)
        os.utime(file, (1, 1))  # before any output
    assert project.jobs(*RESULTS) == {}
    (source / "tables/third.py").write_text("CHANGED = 1\n")
    assert project.jobs(*RESULTS) == {"fid_vs_seconds": 1, "sr_vs_cost": 1, "all": 1}


RECORDER = """#!/bin/sh
echo "$@" >> "$RECORD"
while [ $# -gt 0 ]; do
  case $1 in --pdf|--png|--out|--*-out) touch "$2" ;; esac
  shift
done
"""


@pytest.mark.usefixtures("jobs")
def test_each_rule_runs_its_own_command(project, tmp_path):
    """What a dry run prints is no proof: the text of a shell command is made when its job runs."""
    (tmp_path / "python").write_text(RECORDER)
    (tmp_path / "python").chmod(0o755)
    figures = [f"results/figures/{name}.png" for name in ("fid_vs_cost", "model_family")]
    targets = [*figures, "results/tables/crossovers.csv"]
    for path in targets:
        (project.folder / path).unlink()
    path = os.pathsep.join([str(tmp_path), str(Path(SNAKEMAKE).parent), os.environ["PATH"]])
    record = tmp_path / "commands"
    run = project.start(*("--cores", "1", *targets, *WHOLE_OPTIONS), PATH=path, RECORD=str(record))
    output = run.communicate()[0]
    assert run.returncode == 0, output[-3000:]
    first, second, third = sorted(record.read_text().splitlines())
    assert first.startswith("-m ldm_scaling.figures fid_vs_cost --cells results/tables/pretrain/")
    assert first.endswith("--png results/figures/fid_vs_cost.png")
    assert second.startswith("-m ldm_scaling.figures model_family --family results/tables/fam")
    assert third.startswith("-m ldm_scaling.tables.curves --cells results/tables/")


def test_a_rule_is_told_by_its_module(project):
    printed = project.snakemake("--list-rules")
    assert "fid_vs_cost (Image quality against sampling cost: which size wins at which" in printed
