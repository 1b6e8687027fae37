"""What an adaptive search takes off the plan, against counts by hand."""

import pytest
from plans import ONES, changed, jobs_of, rule


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_adaptive_sweep_costs_its_share_at_the_strongest_guidance():
    sampling = {"n": 100, "steps": [2, 4], "guidance": [1, 3, 6, 10]}
    sampling |= {"fixed": {"sampler": "ddim", "steps": 4, "guidance": 3}}
    study = changed(sampling=sampling, search={"method": "adaptive", "share": 0.5})
    jobs = jobs_of(study)
    sweeps = {job.name: job.flops_of for job in rule(jobs, "sweep")}
    searched = 200  # half of 4 x 100 images, at each of two step counts
    assert sweeps["c12 seed0 dpmpp"] == {
        "U-Net": searched * 2 * (2 + 4) * ONES.forward["c12"],
        "decoding": 2 * searched * ONES.decode,
        "features": 2 * searched * ONES.features,
    }
    kept = 1 + len(study.training.keep)  # with the fixed setting, 4 guided steps each
    more = 100 * kept * 2 * 4 * ONES.forward["c12"]
    assert sweeps["c12 seed0 ddim"]["U-Net"] == sweeps["c12 seed0 dpmpp"]["U-Net"] + more
    students = study.sampling.students
    assert sweeps["distill c12 seed0 lcm"]["U-Net"] == searched * sum(students.steps)
    grid = jobs_of(changed(sampling=sampling))
    left_out = {job.rule for job in grid} - {job.rule for job in jobs}
    shown = {"guidance_sweep", "guidance_interaction", "guidance_samples"}
    assert left_out == shown | {"search_cost", "replay_searches"}


def test_a_share_that_is_too_small_for_a_search_gives_way():
    sampling = {"n": 160, "steps": [2], "guidance": [1, 3]}
    sampling |= {"fixed": {"sampler": "ddim", "steps": 4, "guidance": 3}}
    study = changed(sampling=sampling, search={"method": "adaptive"})
    sweeps = {job.name: job.flops_of for job in rule(jobs_of(study), "sweep")}
    assert sweeps["c12 seed0 ddpm"]["decoding"] == (160 + 10) * ONES.decode
