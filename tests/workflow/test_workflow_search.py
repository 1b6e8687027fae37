"""The workflow with an adaptive guidance search, as the pocket study has it, without running it."""

import pytest

SHOWN = ["guidance_sweep", "guidance_interaction", "guidance_samples", "search_cost"]
"""figures that need every scale"""


@pytest.fixture
def overlay(project):
    def write(text):
        path = project.folder / "overlay.yaml"
        path.write_text(text)
        return f"--configfile={path}"

    return write


@pytest.fixture
def grid(overlay):
    return overlay("search: {method: grid}\n")


def sweeps(project, *options):
    """The commands of a dry run that sample cells."""
    printed = project.snakemake("-n", "-p", *options)
    return [line for line in printed.splitlines() if "-m ldm_scaling.cells.sweep " in line]


@pytest.mark.parametrize(
    "target",
    ["figures/guidance_sweep.pdf", "tables/search_cost.csv"],
)
def test_what_shows_every_scale_is_of_studies_that_sample_it(project, grid, target):
    says = project.snakemake("-n", f"results/{target}", fails=True)
    assert "config key search.method" in says and "set it to grid" in says
    assert sweeps(project, f"results/{target}", grid)
    made = [project.snakemake("-n", *options) for options in ([], [grid])]
    assert [f"results/{target}" in printed for printed in made] == [False, True]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cells/superres/c12/seed0/ddim/leading", "stage superres has no ddim/leading"),
        ("cells/pretrain/c12/seed0/dpmpp/leading", "stage pretrain has no dpmpp/leading"),
        ("cells/stitch/c20-c48/seed0/dpmpp", "config key stitch.sampler: trajectories are sampled"),
        ("cells/stitch/c20-c48/seed0/ddim/linspace", "by ddim, not by ddim/linspace"),
    ],
)
def test_what_no_study_samples_is_one_line(project, path, says):
    assert says in project.snakemake("-n", f"results/{path}/cells.json", fails=True)


def test_the_method_decides_how_and_not_what_is_sampled(project, grid):
    searching, whole = project.jobs("all"), project.jobs("all", grid)
    assert set(whole) - set(searching) == {*SHOWN, "replay_searches"}
    assert searching["sweep"] == whole["sweep"] and searching["collect"] == whole["collect"]


def test_both_methods_share_their_state_and_so_do_schedules(project, grid):
    folders = [
        {
            (line.split(" --out ")[1].split()[0], line.split("--work-dir ")[1].split()[0])
            for line in sweeps(project, "all", *options)
            if "/cells/pretrain/c12/seed0/ddim" in line
        }
        for options in ([], [grid])
    ]
    assert folders[0] == folders[1] and len(folders[0]) == 3, "and two other schedules"
    assert {work for _, work in folders[0]} == {"results/work/sweep/pretrain/c12/0/ddim"}


def test_only_searching_sweeps_read_the_reference(project, grid):
    option = " --reference results/cells/reference/test.safetensors"
    assert not [line for line in sweeps(project, "all", grid) if option in line]
    whole = ("models/superres", "models/budget_")  # these sample every scale
    for line in sweeps(project, "all"):
        searched = not any(part in line for part in whole)
        assert (option in line) == searched == ('"search"' in line)


def test_several_training_seeds_are_not_searched(project, overlay):
    seeds = "training: {seeds: [0, 1]}\n"
    says = project.snakemake("-n", overlay(seeds), fails=True)
    assert "search.method: adaptive finds the guidance of one model" in says
    lines = sweeps(project, "all", overlay(seeds + "search: {method: grid}\n"))
    assert lines and '"search"' not in " ".join(lines)
