"""The workflow with an adaptive guidance search, as the pocket study has it, without running it."""

import pytest

SEARCHED = 4 * 3 + 4 + 2 * 3
"""models and samplers: pretrained ones, students of one kind and of the other"""


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


def test_every_scale_is_sampled_where_it_is_shown(project):
    """The main figure takes what searches have sampled whole; these take the grid."""
    assert not any("/grid" in line for line in sweeps(project, "results/figures/fid_vs_cost.pdf"))
    for name in ("guidance_sweep", "guidance_interaction", "guidance_samples"):
        lines = sweeps(project, f"results/figures/{name}.pdf")
        assert lines and len([line for line in lines if "ddim/grid" in line]) == len(lines) / 2
    lines = sweeps(project, "results/tables/search_cost.csv")
    assert len([line for line in lines if "/grid " in line]) == SEARCHED == len(lines) / 2


def test_a_whole_grid_follows_its_search(project):
    """Which of them samples a cell decides what comes together in a batch, and so its rounding."""
    folder = "results/cells/pretrain/c12/seed0"
    jobs = project.snakemake("-n", f"{folder}/dpmpp/grid/cells.json").split("\nrule ")
    (grid,) = [job for job in jobs if job.startswith("sweep:") and f"{folder}/dpmpp/grid" in job]
    assert f"{folder}/dpmpp/cells.json" in grid.split("output:")[0]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cells/superres/c12/seed0/ddim/grid", "stage superres has no ddim/grid"),
        ("cells/pretrain/c12/seed0/foo/grid", "stage pretrain has no foo/grid"),
        ("cells/stitch/c20-c48/seed0/dpmpp", "config key stitch.sampler: trajectories are sampled"),
        ("cells/stitch/c20-c48/seed0/ddim/grid", "are sampled by ddim, not by ddim/grid"),
    ],
)
def test_what_no_study_samples_is_one_line(project, path, says):
    assert says in project.snakemake("-n", f"results/{path}/cells.json", fails=True)


def test_a_grid_study_samples_every_scale_in_one_sweep(project, grid):
    searching, whole = project.jobs("all"), project.jobs("all", grid)
    assert set(searching) == set(whole)
    assert searching["sweep"] - whole["sweep"] == SEARCHED
    assert searching["collect"] - whole["collect"] == 1
    assert "/grid" not in " ".join(sweeps(project, "all", grid))


def test_whole_grids_share_the_state_of_searches(project):
    lines = [line for line in sweeps(project, "all") if "/cells/pretrain/c12/seed0/ddim" in line]
    folders = {line.split("--work-dir ")[1].split()[0] for line in lines}
    # the search, the whole grid, and two other schedules
    assert len(lines) == 4 and folders == {"results/work/sweep/pretrain/c12/0/ddim"}


def test_only_searching_sweeps_read_the_reference(project, grid):
    option = " --reference results/cells/reference/test.safetensors"
    assert not [line for line in sweeps(project, "all", grid) if option in line]
    whole = ("models/superres", "models/budget_", "/grid ")  # these sample every scale
    for line in sweeps(project, "all"):
        searched = not any(part in line for part in whole)
        assert (option in line) == searched == ('"search"' in line)


def test_several_training_seeds_sample_every_scale(project, overlay):
    lines = sweeps(project, "all", overlay("training: {seeds: [0, 1]}\n"))
    assert lines and not any("/grid" in line or '"search"' in line for line in lines)
