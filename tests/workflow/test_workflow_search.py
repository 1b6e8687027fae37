"""The workflow with an adaptive guidance search, as the pocket study has it, without running it."""

import pytest
from project import counts

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import SweepSpec

SHOWN = ["guidance_sweep", "guidance_interaction", "guidance_samples", "search_cost"]
"""figures that need every scale"""


@pytest.fixture(scope="module")
def overlay(project):
    def write(text):
        path = project.folder / "overlay.yaml"
        path.write_text(text)
        return f"--configfile={path}"

    return write


@pytest.fixture(scope="module")
def searching(project):
    """What a dry run of the searching study prints."""
    return project.snakemake("-n", "-p", "all")


@pytest.fixture(scope="module")
def whole(project, overlay):
    """What a dry run of the study that samples every scale prints."""
    return project.snakemake("-n", "-p", "all", overlay("search: {method: grid}\n"))


def sweeps(printed):
    """The commands of a dry run that sample cells."""
    return [line for line in printed.splitlines() if "-m ldm_scaling.cells.sweep " in line]


@pytest.mark.parametrize("target", ["figures/guidance_sweep.pdf", "tables/search_cost.csv"])
def test_what_shows_every_scale_is_of_studies_that_sample_it(searching, whole, target):
    assert sweeps(whole)
    assert f"results/{target}" in whole and f"results/{target}" not in searching


def test_what_shows_every_scale_says_which_method_samples_it(project):
    says = project.snakemake("-n", "results/figures/guidance_sweep.pdf", fails=True)
    assert "config key search.method" in says and "set it to grid" in says


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cells/superres/c12/seed0/ddim/leading", "stage superres has no ddim/leading"),
        ("cells/stitch/c20-c48/seed0/ddim/linspace", "by ddim, not by ddim/linspace"),
    ],
)
def test_what_no_study_samples_is_one_line(project, path, says):
    assert says in project.snakemake("-n", f"results/{path}/cells.json", fails=True)


def test_no_sampler_takes_the_place_of_the_studys(pocket_config):
    study = load_study(pocket_config)
    with pytest.raises(StudyError, match="stage pretrain has no dpmpp/leading"):
        SweepSpec.of(study, "pretrain", "dpmpp/leading", "c12")
    with pytest.raises(StudyError, match=r"config key stitch\.sampler: trajectories are"):
        SweepSpec.of_stitched(study, "c20-c48", "dpmpp")


def test_the_method_decides_how_and_not_what_is_sampled(searching, whole):
    searching, whole = counts(searching), counts(whole)
    assert set(whole) - set(searching) == {*SHOWN, "replay_searches"}
    assert searching["sweep"] == whole["sweep"] and searching["collect"] == whole["collect"]


def test_both_methods_share_their_state_and_so_do_schedules(searching, whole):
    folders = [
        {
            (line.split(" --out ")[1].split()[0], line.split("--work-dir ")[1].split()[0])
            for line in sweeps(printed)
            if "/cells/pretrain/c12/seed0/ddim" in line
        }
        for printed in (searching, whole)
    ]
    assert folders[0] == folders[1] and len(folders[0]) == 3, "and two other schedules"
    assert {work for _, work in folders[0]} == {"results/work/sweep/pretrain/c12/0/ddim"}


def test_only_searching_sweeps_read_the_reference(searching, whole):
    option = " --reference results/cells/reference/test.safetensors"
    assert not [line for line in sweeps(whole) if option in line]
    every = ("models/superres", "models/budget_")  # these sample every scale
    for line in sweeps(searching):
        searched = not any(part in line for part in every)
        assert (option in line) == searched == ('"search"' in line)


def test_several_training_seeds_are_not_searched(project, overlay, pocket_config):
    pocket_config["training"]["seeds"] = [0, 1]
    with pytest.raises(StudyError, match=r"search\.method: adaptive finds the guidance of one"):
        load_study(pocket_config)
    seeds = overlay("training: {seeds: [0, 1]}\nsearch: {method: grid}\n")
    lines = sweeps(project.snakemake("-n", "-p", "all", seeds))
    assert lines and '"search"' not in " ".join(lines)
