"""Timing of forward passes: what is measured and how often, and what does not fit."""

import pytest
import torch

from ldm_scaling.costs import latency
from ldm_scaling.costs.latency import forward_seconds, latency_table
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.costs import LatencySpec

CPU = torch.device("cpu")


@pytest.fixture
def spec(pocket_config):
    pocket_config["family"] |= {"sizes": ["c8", "c4"], "reference_size": "c8"}
    pocket_config["latency"] = {"batches": [3, 1], "repeats": 4}
    pocket_config["figures"]["guidance_sizes"] = ["c8"]
    return LatencySpec.of(load_study(pocket_config))


class Counting(torch.nn.Module):
    """Stands in for a U-Net and remembers the shapes that it has seen."""

    device, dtype = CPU, torch.float32

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, latents, timestep, text, return_dict):
        self.seen.append((tuple(latents.shape), tuple(text.shape)))


def test_passes_have_the_studys_shapes_and_the_warm_up_is_not_counted(spec):
    unet = Counting()
    seconds = forward_seconds(unet, 3, spec)
    assert len(seconds) == 4
    assert unet.seen == [((3, 8, 8, 8), (3, 20, 384))] * (latency.WARM_UP + 4)


def test_a_row_for_each_size_and_batch(spec):
    table = latency_table(spec, CPU, torch.float32)
    assert table[["size", "batch"]].values.tolist() == [["c4", 1], ["c4", 3], ["c8", 1], ["c8", 3]]
    assert (table["status"] == "ok").all()
    assert (table["lo"] <= table["seconds_per_forward"]).all()
    assert (table["seconds_per_forward"] <= table["hi"]).all()


def test_the_median_and_its_share_of_an_image(spec, monkeypatch):
    monkeypatch.setattr(latency, "forward_seconds", lambda unet, batch, spec: [9.0, 1.0, 6.0])
    row = latency_table(spec, CPU, torch.float32).iloc[1]
    assert row[["seconds_per_forward", "lo", "hi", "seconds_per_image"]].tolist() == [6, 1, 9, 2]


def test_a_batch_that_does_not_fit_is_a_row(spec, monkeypatch):
    def measure(unet, batch, spec):
        if batch == 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return [1.0]

    monkeypatch.setattr(latency, "forward_seconds", measure)
    table = latency_table(spec, CPU, torch.float32).set_index(["size", "batch"])
    assert table.loc[("c8", 3), "status"] == "out of memory"
    assert table["seconds_per_forward"].isna().tolist() == [False, True, False, True]


def test_the_reference_size_measures_nothing_anew(pocket_config):
    before = LatencySpec.of(load_study(pocket_config))
    pocket_config["family"]["reference_size"] = "c32"
    assert LatencySpec.of(load_study(pocket_config)) == before
