"""Devices: what a job asks for and sees, and the precision of a network."""

import copy

import pytest
import torch

from ldm_scaling.jobs.cli import InputError
from ldm_scaling.training.devices import (
    check_gpus,
    divided,
    dtype_on,
    in_precision,
    own_device,
    precision,
)


@pytest.mark.parametrize(
    ("asked", "seen", "submitted", "message"),
    [
        (0, 0, True, None),
        (1, 1, True, None),
        (1, 0, False, None),
        (1, 4, False, None),
        (2, 4, False, None),
        (1, 0, True, "asked for 1 GPU, but torch sees 0; check the partition"),
        (8, 4, True, "asked for 8 GPUs, but torch sees 4; check the partition"),
        (2, 1, False, "start Snakemake with --resources gpu=1"),
        (1, 2, True, "some of them perhaps another job's"),
    ],
)
def test_a_job_sees_the_gpus_that_it_asked_for(monkeypatch, asked, seen, submitted, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.delenv("LDM_SCALING_SUBMITTED", raising=False)
    if submitted:
        monkeypatch.setenv("LDM_SCALING_SUBMITTED", "1")
    if message is None:
        check_gpus(asked)
        return
    with pytest.raises(InputError, match=message):
        check_gpus(asked)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    check_gpus(asked)
    assert own_device().type == "cpu"
    assert precision() == "no"


def test_bfloat16_rounds_and_returns_float32():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 8))
    inputs = torch.randn(16, 64)
    exact = network(inputs)
    assert torch.equal(in_precision(copy.deepcopy(network), "no")(inputs), exact)
    rounded = in_precision(network, "bf16")(inputs)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.02)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


@pytest.mark.parametrize(
    ("device", "major", "expected"),
    [("cpu", 8, torch.float32), ("cuda", 8, torch.bfloat16), ("cuda", 7, torch.float32)],
)
def test_a_gpu_computes_in_bfloat16_if_it_has_it(monkeypatch, device, major, expected):
    # a V100 (7) would imitate it
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or major >= 8,
    )
    assert dtype_on(torch.device(device)) == expected


def test_a_loaded_moment_has_the_layout_of_its_weight():
    # fused AdamW would pair their elements wrongly otherwise
    weight = torch.zeros(4, 3, 2, 2).to(memory_format=torch.channels_last)
    moment = torch.randn(4, 3, 2, 2)
    loaded = divided(moment, weight)
    assert torch.equal(loaded, moment)
    assert loaded.stride() == weight.stride()
