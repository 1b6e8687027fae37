"""What adaptive searches do to the plan, against counts by hand."""

import pytest
from plans import ONES, changed, jobs_of, rule

SAMPLING = {"n": 100, "steps": [2, 4], "guidance": [1, 3, 6, 10]}
SAMPLING |= {"fixed": {"sampler": "ddim", "steps": 4, "guidance": 3}}
SEARCH = {"method": "adaptive", "look": 0.3}


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_adaptive_sweep_costs_its_looks_at_the_strongest_guidance():
    sampling = SAMPLING
    study = changed(sampling=sampling, search=SEARCH)
    jobs = jobs_of(study)
    sweeps = {job.name: job.flops_of for job in rule(jobs, "sweep")}
    searched = 190  # of one scale 100 images, of three others 30, at each of two step counts
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
    two = study.stitch.model_copy(update={"steps": [4], "sizes": [["c20", "c48"]], "shares": [0.5]})
    stitched = jobs_of(changed(sampling=sampling, search=SEARCH, stitch=two.model_dump()))
    (own,) = rule(stitched, "sample_stitched")
    each = ONES.forward["c20"] + ONES.forward["c48"]  # two guided steps of both
    assert own.flops_of["U-Net"] == 190 * 2 * 2 * each


def test_what_shows_every_scale_takes_the_rest_of_the_grid():
    searching = jobs_of(changed(sampling=SAMPLING, search=SEARCH))
    grid = jobs_of(changed(sampling=SAMPLING, search={"method": "grid"}))
    assert {job.rule for job in searching} == {job.rule for job in grid}
    counted = []
    for jobs in (searching, grid):
        sweeps = [job for job in rule(jobs, "sweep") if "/c12/" in job.output]
        own = [job for job in sweeps if "/pretrain/" in job.output and "dpmpp" in job.output]
        counted.append(sum(job.flops_of["U-Net"] for job in own))
    assert len(own) == 1 and counted[0] == counted[1]


def test_two_scales_take_one_whole_and_a_look_at_the_other():
    sampling = {"n": 160, "steps": [2], "guidance": [1, 3]}
    sampling |= {"fixed": {"sampler": "ddim", "steps": 4, "guidance": 3}}
    study = changed(sampling=sampling, search={"method": "adaptive"})
    sweeps = {job.name: job.flops_of for job in rule(jobs_of(study), "sweep")}
    assert sweeps["c12 seed0 ddpm"]["decoding"] == (160 + 17) * ONES.decode
