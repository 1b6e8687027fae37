"""What the plan says of priced jobs."""

from dataclasses import replace

import pytest
from plans import ONES, prices_of

from ldm_scaling.plan.dag import Job, reruns
from ldm_scaling.plan.price import Price
from ldm_scaling.plan.report import Device, concentration, report, rows

A100 = Device("a100", 30)


def plan_of(*prices, rule="pretrain", due=True):
    """Priced jobs of a rule."""
    return [
        (Job(rule, {"size": f"c{n}"}, outputs=(str(n),), due=due), price)
        for n, price in enumerate(prices)
    ]


def test_done_jobs_are_left_out():
    left, done = Price({"U-Net": 2.0}, 3e9), Price({"U-Net": 5.0}, 7e9)
    priced = plan_of(left) + plan_of(done, due=False)
    (row,) = rows(priced, A100)
    assert (row.jobs, row.done, row.flops, row.gigabytes) == (1, 1, 2, 3)
    assert "1 of 2 jobs are done and left out" in report(priced, A100)
    assert "nothing is left" in report(plan_of(done, due=False), A100)


def test_hours_are_flops_over_what_the_device_reaches():
    priced = plan_of(Price({"U-Net": 312e12 * 3600 * 5}))
    assert rows(priced, Device("a100", 50))[0].hours == 10
    printed = report(priced, Device("a100", 50))
    assert "10 hours of one a100 at 50 % of its 312 TFLOP/s in bfloat16" in printed


def test_what_is_measured_has_the_peaks_of_float32():
    # PyTorch's defaults: convolutions in TF32, matrix products in float32. A V100 has neither TF32
    # nor bfloat16
    hour = {"U-Net": 312e12, "text encoder": 312e12, "decoding": 156e12, "CLIP score": 19.5e12}
    priced = plan_of(Price({part: peak * 3600 for part, peak in hour.items()}))
    assert rows(priced, Device("a100", 100))[0].hours == pytest.approx(4)
    old = rows(priced, Device("v100", 100))[0].hours
    assert old == pytest.approx(sum(hour.values()) / 15.7e12)
    assert rows(priced, Device("v100", 100))[0].flops == sum(hour.values()) * 3600


def test_encoders_hold_bfloat16():
    networks = replace(ONES, own=replace(ONES.own, text_params=100))
    text = prices_of("encode_text", networks=networks)["train"]
    assert text.gpu_bytes == 2 * 100
    # 7 weights; 5 bytes of activations an image in float32, for a batch of 64
    images = prices_of("encode_images", networks=networks)["train"]
    assert images.gpu_bytes == 2 * 7 + 64 * 5 / 2


def test_many_epochs_are_a_warning():
    few, many = Price(epochs=3), Price(epochs=11.5)
    assert "Warning" not in report(plan_of(few), A100)
    printed = report(plan_of(few) + plan_of(few, many, rule="distill"), A100)
    assert "pretrain 3, distill 11.5" in printed
    assert "Warning: distill see" in printed


def test_the_job_with_most_memory_is_named():
    priced = plan_of(Price(gpu_bytes=1e9), Price(gpu_bytes=9e9), Price())
    jobs = [(replace(job, resources={"mem_mb": 2000}), price) for job, price in priced]
    assert "Most memory of a GPU: 9 GB, pretrain c1" in report(jobs, A100)
    assert rows(jobs, A100)[0].host_memory_gb == 2


def test_concentration_names_the_costliest_tenth():
    costs = [1, 1, 50, 1, 1, 1, 40, 1, 1, 1, 2]
    tenth, share, count = concentration(plan_of(*(Price({"U-Net": cost}) for cost in costs)))
    assert [job.name for job in tenth] == ["c2", "c6"]
    assert share == 0.9
    assert count == 2


def test_what_a_change_reruns():
    first = Job("a", outputs=("a",), params=("1",))
    reads, other = Job("b", inputs=frozenset("a"), outputs=("b",)), Job("c", outputs=("c",))
    assert reruns([first, reads, other], [first, reads, other]) == []
    changed, new = replace(first, params=("2",)), Job("d", outputs=("d",))
    assert reruns([first, reads, other], [changed, reads, other, new]) == [changed, reads, new]
    rehosted = replace(first, resources={"mem_mb": 1})
    assert reruns([first], [rehosted]) == [], "hardware decides no result"
