"""The workflow of students, without running it."""

import pytest

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.targets import FIGURES


def test_students_stand_beside_undistilled_models_of_the_fixed_sampler(project):
    overlay = project.folder / "students.yaml"
    overlay.write_text(
        "training: {seeds: [7, 1]}\n"
        "distill: {stochastic: {all: {eta: 0.2, substeps: 2, adversary: {weight: 1, lr: 0.1}}}}\n"
        "search: {method: grid}\n"
        "sampling: {fixed: {sampler: dpmpp, steps: 10, guidance: 2.5}, steps: [2, 3, 8, 16]}\n"
    )
    printed = project.snakemake("-n", "-p", "figures", "tables", f"--configfile={overlay}")
    lines = [line for line in printed.splitlines() if "python -m ldm_scaling." in line]
    starts = [line.split("-m ldm_scaling.")[1].split() for line in lines]
    names = [second if first == "figures" else first for first, second, *_ in starts]
    commands = dict(zip(names, lines, strict=True))
    folder = "results/tables"
    tables = [
        f"--cells {folder}/{name}/cells.csv {folder}/{name}/draws.safetensors"
        for name in ("pretrain/dpmpp", "distill/lcm")
    ]
    for name in ("distill_gain", "distill_vs_cost", "tables.acceleration"):
        assert " ".join(tables) in commands[name]
        assert "distill_all" not in commands[name]
    both = [
        f"--cells {folder}/{stage}/lcm/cells.csv {folder}/{stage}/lcm/draws.safetensors"
        for stage in ("distill", "distill_all")
    ]
    assert " ".join(both) in commands["scott_vs_cost"]
    for name in ("claims.decide", "tables.frontier", "tables.concatenate"):
        assert "distill_all/lcm/cells.csv" in commands[name]  # they enter by themselves
    assert "--held-out results/latents/validation.safetensors" in printed
    stages = [f"{folder}/guided_distill{steps}/ddim/cells.csv" for steps in (16, 8, 4)]
    guided = commands["guided_distill_gain"]
    assert tables[0] in guided and all(f"--cells {path}" in guided for path in stages)
    samples = commands["distill_samples"]
    assert "--images c20 results/cells/pretrain/c20/seed7/dpmpp/images.safetensors" in samples
    assert "--students c20 results/cells/distill/c20/seed7/lcm/images.safetensors" in samples
    assert "--seed 7 --steps 3 16" in samples  # 4 are not in the grid


def test_a_study_without_students_has_no_figures_and_tables_of_them(project):
    overlay = project.folder / "without.yaml"
    for key in ("distill", "guided_distill"):
        overlay.write_text(f"{key}: null\n")
        jobs = project.jobs("all", f"--configfile={overlay}")
        needs = {"acceleration"} | {name for name in FIGURES if "distill" in name}
        assert "scott_vs_cost" not in jobs
        left_out = {name for name in needs if ("guided" in name) == (key == "guided_distill")}
        assert needs - set(jobs) == left_out
        assert key not in jobs and jobs["claims"] == 1


def test_students_that_the_study_lacks_are_one_line(project, pocket_config):
    target = "results/models/guided_distill3/c12/seed0/summary.json"
    assert "has no student of 3 steps" in project.snakemake("-n", target, fails=True)
    study = load_study(pocket_config)
    for stage, sampler in (("pretrain", "lcm"), ("distill", "ddim")):
        with pytest.raises(StudyError, match=f"stage {stage} is not sampled by {sampler}"):
            SweepSpec.of(study, stage, sampler, "c12")
