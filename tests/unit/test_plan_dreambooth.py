"""What subjects add to the plan, against counts by hand."""

import pytest
from plans import ONES, changed, jobs_of, rule


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_subjects_cost_two_images_a_step_and_scores_before_and_after():
    study = changed(
        dreambooth={"subjects": 3, "sizes": ["c20"], "images": 10, "batch": 4}
        | {"prior_images": 5, "prompts": ["a {subject}", "{subject}"], "images_per_prompt": 7},
        sampling={"fixed": {"sampler": "ddim", "steps": 8, "guidance": 2}},
    )
    jobs = jobs_of(study)
    forward = ONES.forward["c20"]
    assert [job.flops for job in rule(jobs, "dreambooth")] == [3 * 2 * 12 * forward] * 3
    assert [job.bytes for job in rule(jobs, "dreambooth")] == [4 * ONES.params["c20"]] * 3
    (prior,) = rule(jobs, "sample_prior")
    assert prior.flops == 3 * 5 * 2 * 8 * forward
    (scored,) = rule(jobs, "score_subjects")
    images = 2 * 2 * 3 * 2 * 7  # before and after; prompts and classes
    assert scored.flops_of == {
        "U-Net": images * 2 * 8 * forward,
        "decoding": images * ONES.decode,
        "features": images * ONES.features,
    }
    (encoded,) = rule(jobs, "encode_subjects")
    assert encoded.flops == (3 * (2 + 2) + 1) * ONES.caption
    none = jobs_of(changed(dreambooth=None))
    assert not {job.rule for job in none if "dreambooth" in job.rule or "subjects" in job.rule}
