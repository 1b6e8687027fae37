"""The workflow with an adaptive guidance search, without running it."""

import pandas as pd
import pytest

SCALES = ("guidance_sweep", "guidance_interaction", "guidance_samples", "search_cost")


@pytest.fixture
def adaptive(project):
    overlay = project.folder / "adaptive.yaml"
    overlay.write_text("search: {method: adaptive}\n")
    return f"--configfile={overlay}"


def test_an_adaptive_study_leaves_out_what_shows_every_scale(project, adaptive):
    jobs, grid = project.jobs("all", adaptive), project.jobs("all")
    assert set(grid) - set(jobs) == {*SCALES, "replay_searches"}
    assert {name: grid[name] for name in jobs} == jobs
    for name in ("figures/search_cost.pdf", "tables/search_cost.csv"):
        message = project.snakemake("-n", f"results/{name}", adaptive, fails=True)
        assert "config key search.method: is adaptive" in message


def test_only_searching_sweeps_read_the_reference(project, adaptive):
    option = " --reference results/cells/reference/test.safetensors"

    def sweeps(*options):
        printed = project.snakemake("-n", "-p", "tables", *options)
        return [line for line in printed.splitlines() if "-m ldm_scaling.cells.sweep " in line]

    assert not [line for line in sweeps() if option in line]
    whole = ("models/superres", "models/budget_", " --then ")  # these sample every scale
    for line in sweeps(adaptive):
        searched = not any(part in line for part in whole)
        assert (option in line) == searched == ('"search"' in line)


def test_the_plan_counts_adaptive_sweeps_by_their_most_images(project, adaptive):
    flops = {}
    for method, options in {"grid": (), "adaptive": (adaptive,)}.items():
        project.snakemake("plan", "--cores", "1", *options)
        table = pd.read_csv(project.folder / "results/plan.csv").set_index("rule")
        planned = table.loc[table["jobs"] > 0, "jobs"].to_dict()
        assert planned | {"all": 1} == project.jobs("all", *options)
        flops[method] = table.loc["sweep", "flops"]
    # checkpoints and pairs are sampled as before
    assert 0.3 < flops["adaptive"] / flops["grid"] < 0.6


def test_several_training_seeds_need_the_grid(project):
    overlay = project.folder / "seeds.yaml"
    overlay.write_text("search: {method: adaptive}\ntraining: {seeds: [0, 1]}\n")
    message = project.snakemake("-n", f"--configfile={overlay}", fails=True)
    assert "config key search.method: adaptive is for one of training.seeds" in message
