"""Answers for budgets, on studies whose truth was planted."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentTypeError

import pandas as pd
import pytest
from commands import run_here
from planted import METRIC, study

from ldm_scaling.answer.budget import GUIDED, SECONDS, TOTAL, budget, gigabytes
from ldm_scaling.answer.text import _pipeline
from ldm_scaling.study.load import load_study


@pytest.mark.parametrize(
    ("text", "axis", "amount"),
    [
        ("2", GUIDED, 2),
        ("0.5", GUIDED, 0.5),
        ("0.05s", SECONDS, 0.05),
        ("50ms", SECONDS, 0.05),
        ("1.5TFLOP", TOTAL, 1.5e12),
        ("800 GFLOPs", TOTAL, 8e11),
        ("1e9FLOP", TOTAL, 1e9),
    ],
)
def test_a_budget_has_its_column_and_unit(text, axis, amount):
    found = budget(text)
    assert (found.axis, found.amount) == (axis, pytest.approx(amount))


@pytest.mark.parametrize("text", ["", "two", "5T", "3ks", "1mFLOP", "-1", "2 GB", "0"])
def test_other_budgets_are_refused(text):
    with pytest.raises(ArgumentTypeError, match="is no budget"):
        budget(text)


def test_memory_is_in_gigabytes():
    assert gigabytes("8GB") == gigabytes("8") == 8
    with pytest.raises(ArgumentTypeError, match="8GB"):
        gigabytes("8 stones")


CELLS = [
    {"value": 100, "cost": 1, "memory_gb": 2},
    {"value": 80, "cost": 2, "memory_gb": 9},
    {"value": 81, "cost": 3, "memory_gb": 4},
    {"value": 60, "cost": 8, "memory_gb": 16},
    {"value": 10, "cost": 9, "memory_gb": 16, "status": "out_of_memory"},
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return study(tmp_path_factory.mktemp("planted"), CELLS, noise=0.3)


def answered(tables, *words) -> str:
    done = run_here("answer.__main__", "--tables", tables, "--metric", METRIC, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def choice(text: str) -> str:
    """The size that is chosen."""
    (line,) = [line for line in text.splitlines() if line.startswith("  choice")]
    return line.split()[1].rstrip(",")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--budget", "1.5"], "c8"),
        (["--budget", "4"], "c9"),
        (["--budget", "1000"], "c11"),
        (["--budget", "4", "--memory", "8GB"], "c10"),
        (["--budget", "4s"], "c9"),
        (["--budget", "16GFLOP"], "c11"),  # 8 forward passes of 2 GFLOP
        (["--quality", "85"], "c9"),
        (["--quality", "85", "--memory", "5"], "c10"),
        (["--quality", "61"], "c11"),
    ],
)
def test_the_planted_choice_is_named(tables, words, expected):
    assert choice(answered(tables, *words)) == expected


def test_neighbours_are_those_of_the_envelope(tables):
    lines = answered(tables, "--budget", "4").splitlines()
    first = {line[:10].strip(): line for line in lines if line.startswith("  ")}
    assert "c8," in first["for less"] and "c11," in first["for more"]
    assert "next best" in "".join(lines) or "tied with it" in "".join(lines)


def test_several_budgets_are_a_line_each(tables):
    text = answered(tables, "--budget", "0.5", "1", "2s", "9")
    assert "nothing is so cheap" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  ")] == [
        *("budget", "0.5", "1", "2s", "9")
    ]


def test_a_budget_below_everything_says_what_the_least_is(tables):
    assert "the lowest cost is 1." in answered(tables, "--budget", "0.5")


def test_choices_are_those_of_envelope_csv(tables, tmp_path):
    place = tables / "pretrain/ddim"
    outs = {name: tmp_path / f"{name}.csv" for name in ("frontier", "envelope", "levers")}
    given = ["--cells", "trailing", place / "cells.csv", place / "draws.safetensors"]
    given += ["--metrics", METRIC, "--confidence", "0.95", "--out", outs["frontier"]]
    given += ["--envelope-out", outs["envelope"], "--levers-out", outs["levers"]]
    done = run_here("tables.frontier", *given)
    assert done.returncode == 0, done.stderr
    family = (tables / "family.csv").read_text()
    (tmp_path / "family.csv").write_text(family)
    frontier, envelope = (pd.read_csv(outs[name]) for name in ("frontier", "envelope"))
    sizes = frontier.set_index("cell")["size"]
    for row in envelope[envelope["axis"] == "guided_cost"].itertuples():
        for folder in (tables, tmp_path):  # from the cells, and from frontier.csv alone
            assert choice(answered(folder, "--budget", f"{row.cost:g}")) == sizes[row.cell]


@pytest.mark.parametrize("words", [["1"], ["4"], ["16"], ["0.01s"]])
def test_without_results_the_published_tables_answer(root, tmp_path, words):
    done = run_here("answer.__main__", "--budget", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("These are published results of the pocket study")
    limit = budget(words[0])
    tables = root / "reference/pocket/tables"
    envelope = pd.read_csv(tables / "envelope.csv").query("axis == @limit.axis")
    own = envelope[(envelope["metric"] == METRIC) & (envelope["cost"] <= limit.amount)]
    frontier = pd.read_csv(tables / "frontier.csv").query("metric == @METRIC").set_index("cell")
    row = frontier.loc[own.iloc[-1]["cell"]]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  choice")]
    assert f" {row['size']}, " in line
    assert f"{row['steps']} steps, guidance {row['guidance']:g}" in line
    assert f"{row['value'] + own.iloc[-1]['luck']:.4g} [" in line


def test_what_is_missing_is_made_and_planned_of_the_study_that_was_named(root, tmp_path):
    study = root / "studies/pocket-seeds.yaml"
    done = run_here("answer.__main__", "--configfile", study, "--budget", "1", folder=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert f"--configfile={study} -- results/pocket-seeds/tables/frontier.csv" in done.stderr
    assert f"`make plan STUDY={study}`" in done.stderr


def test_a_column_that_tables_have_one_day_is_in_the_answer(tmp_path):
    cells = [
        {"value": 100, "size": "c8", "guide": "unconditional"},
        {"value": 90, "size": "c8", "guide": "smaller model"},
    ]
    text = answered(study(tmp_path, cells, noise=0.1), "--budget", "1")
    assert "c8, DDIM, 4 steps, guidance 3, guide smaller model" in text


def test_what_is_wrong_is_one_line(tables, tmp_path):
    def refused(*words) -> str:
        done = run_here("answer.__main__", *words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    folder = ("--tables", tables, "--metric", METRIC)
    assert "no such folder" in refused("--tables", tmp_path / "none", "--budget", "1")
    assert "neither frontier.csv nor the cells" in refused("--tables", tmp_path, "--budget", "1")
    assert "name the metric" in refused("--tables", tables, "--budget", "1")
    assert "--quality 5" in refused(*folder, "--quality", "5")
    assert "one of them" in refused(*folder, "--quality", "85", "--budget", "1")
    limit = ("--require", METRIC, "1")
    assert "no configuration has fd_effnet_lite0 of at most 1" in refused(*folder, *limit)
    assert "is no budget" in refused(*folder, "--budget", "cheap")
    assert "give one" in refused(*folder)
    assert "known: fd_effnet_lite0" in refused(
        "--tables", tables, "--metric", "fid", "--budget", "1"
    )


@pytest.mark.parametrize(
    ("stage", "sampler", "schedule", "alike"),
    [
        ("pretrain", "ddim", "trailing", True),
        ("pretrain", "ddim", "leading", False),
        ("pretrain", "ddim", "linspace", False),
        ("pretrain", "ddpm", "trailing", False),
        ("distill", "lcm", "leading", True),  # a student has levels of its own
    ],
)
def test_diffusers_lines_are_of_what_samples_alike(pocket_config, stage, sampler, schedule, alike):
    if schedule != "trailing":
        pocket_config["sampling"] |= {"schedule": schedule, "other_schedules": None}
        pocket_config["guided_distill"] = None
    row = {"stage": stage, "size": "c12", "sampler": sampler, "schedule": schedule}
    found = _pipeline(load_study(pocket_config), pd.Series(row))
    assert found == (f"results/pipelines/{stage}/c12/seed0" if alike else None)


def test_neither_torch_nor_snakemake_is_imported(tables):
    code = (
        "import runpy, sys;"
        "sys.argv = ['answer', *sys.argv[1:]];"
        "runpy.run_module('ldm_scaling.answer', run_name='__main__');"
        "assert not {'torch', 'snakemake'} & set(sys.modules)"
    )
    words = ["--tables", tables, "--metric", METRIC, "--budget", "4"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
