"""What super-resolution adds to the plan, against counts by hand."""

import pytest
from plans import ONES, changed, jobs_of, rule

from ldm_scaling.costs.networks import Networks


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_super_resolution_costs_three_forwards_a_step_and_one_a_denoising_step():
    settings = {"images": 1000, "batch": 100, "warmup_images": 1, "keep": [0.5], "n": 80}
    settings |= {"steps": [4, 8], "fixed_steps": 8, "scratch": ["c20"]}
    networks = Networks(**vars(ONES) | {"perceptual": 3.0})
    jobs = jobs_of(changed(superres=settings), networks)
    training = {job.name: job for job in rule(jobs, "train_superres")}
    assert training["superres c48 seed0"].flops == 3 * 1000 * ONES.forward["c48"]
    assert list(training)[-1] == "superres_scratch c20 seed0"
    sweep = {job.name: job for job in rule(jobs, "sweep")}["superres c12 seed0 ddim"]
    assert sweep.flops_of == {
        "U-Net": 80 * (4 + 8 + 8) * ONES.forward["c12"],
        "decoding": 3 * 80 * ONES.decode,
        "features": 3 * 80 * ONES.features,
        "perceptual distance": 2 * 3 * 80 * 3.0,
    }
    none = jobs_of(changed(superres=None))
    left = {job.rule for job in jobs} - {job.rule for job in none}
    assert left == {
        *("fetch_squeezenet", "degrade", "train_superres", "superres_baselines", "superres"),
        *("sr_compute", "sr_vs_cost", "sr_samples"),
    }


def test_photographs_are_cut_encoded_and_described():
    training, validation = {"path": "a", "patches": 1000}, {"path": "b", "patches": 300}
    jobs = jobs_of(changed(superres={"training": training, "validation": validation}))
    assert [job.name for job in rule(jobs, "crop_photos")] == ["train", "validation"]
    encoded = {job.name: job.flops / ONES.encode for job in rule(jobs, "encode_images")}
    assert encoded["superres/photos_train"] == encoded["superres/train"] == 1000
    assert encoded["superres/validation"] == 256
    real = {job.name: job.flops for job in rule(jobs, "real_features")}
    assert real["superres/photos_validation"] == 300 * ONES.features
