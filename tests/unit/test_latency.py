"""Timing of forward passes: what is measured and how often, and what does not fit."""

import pytest
import torch
from pipelines import MAKERS, save
from torch import nn

from ldm_scaling.costs import latency
from ldm_scaling.costs.latency import forward_pass, latency_table
from ldm_scaling.costs.time_adopted import denoising
from ldm_scaling.costs.timing import WARM_UP, timed
from ldm_scaling.study.adopted import AdoptedModel
from ldm_scaling.study.figures import Latency
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.costs import AdoptedLatencySpec, LatencySpec

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
    seconds = timed(forward_pass(unet, spec, 3), 4, CPU)
    assert len(seconds) == 4
    assert unet.seen == [((3, 8, 8, 8), (3, 20, 384))] * (WARM_UP + 4)


def test_a_row_for_each_size_and_batch(spec):
    table = latency_table(spec, CPU)
    assert (table["dtype"] == "float32").all()
    assert table[["size", "batch"]].values.tolist() == [["c4", 1], ["c4", 3], ["c8", 1], ["c8", 3]]
    assert (table["status"] == "ok").all()
    assert (table["lo"] <= table["seconds_per_forward"]).all()
    assert (table["seconds_per_forward"] <= table["hi"]).all()


def test_the_median_and_its_share_of_an_image(spec, monkeypatch):
    monkeypatch.setattr(latency, "timed", lambda call, repeats, device: [9.0, 1.0, 6.0])
    row = latency_table(spec, CPU).iloc[1]
    assert row[["seconds_per_forward", "lo", "hi", "seconds_per_image"]].tolist() == [6, 1, 9, 2]


def test_a_batch_that_does_not_fit_is_a_row(spec, monkeypatch):
    def measure(unet, spec, images):
        if images == 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return lambda: None

    monkeypatch.setattr(latency, "forward_pass", measure)
    table = latency_table(spec, CPU).set_index(["size", "batch"])
    assert table.loc[("c8", 3), "status"] == "out of memory"
    assert table["seconds_per_forward"].isna().tolist() == [False, True, False, True]


def test_the_reference_size_measures_nothing_anew(pocket_config):
    before = LatencySpec.of(load_study(pocket_config))
    pocket_config["family"]["reference_size"] = "c32"
    assert LatencySpec.of(load_study(pocket_config)) == before


# ---------------------------------------------------------------- adopted models


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A function of a pipeline's name and what else its model has."""
    made = {}

    def get(name, **more):
        if name not in made:
            made[name] = save(name, tmp_path_factory.mktemp(name))
        given = {"name": name.replace("_", "-"), "pretrained": str(made[name]), "side": 32}
        return AdoptedModel(**given | more)

    return get


def leaves(network, seen):
    """Let the first layer of a network with weights note the sizes of the batches that it sees."""

    def note(module, args):
        seen.append((len(args[0]), args[0].dtype))

    first = next(own for own in network.modules() if isinstance(own, (nn.Conv2d, nn.Linear)))
    first.register_forward_pre_hook(note)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_forward_pass_of_an_adopted_model_has_its_images_and_its_dtype(adopted, name, dtype):
    call = denoising(adopted(name), CPU, dtype)
    forward, seen = call(3), []
    leaves(forward.func, seen)
    prediction = forward()
    prediction = prediction[0] if isinstance(prediction, tuple) else prediction.sample
    assert len(prediction) == 3 and prediction.dtype == getattr(torch, dtype)
    assert seen and all(own == (3, getattr(torch, dtype)) for own in seen)


def test_adopted_models_are_timed_in_their_own_dtype_unless_another_is_asked_for(adopted):
    models = [adopted("stable_diffusion"), adopted("sana", dtype="bfloat16")]
    spec = AdoptedLatencySpec(models=models, latency=Latency(batches=[2, 1], repeats=2))
    table = latency_table(spec, CPU).set_index(["size", "batch"])
    assert list(table.index) == [(own.name, batch) for own in models for batch in (1, 2)]
    assert (table["status"] == "ok").all() and (table["seconds_per_forward"] > 0).all()
    assert table["dtype"].tolist() == ["float32"] * 2 + ["bfloat16"] * 2
    assert table["memory_gb"].isna().all(), "a processor has none"
    assert set(latency_table(spec, CPU, "float32")["dtype"]) == {"float32"}


def test_a_model_that_nobody_knows_is_a_row_with_that_status(adopted):
    unknown = AdoptedModel(name="other", pretrained="someone/something", side=32)
    models = [unknown, adopted("stable_diffusion")]
    spec = AdoptedLatencySpec(models=models, latency=Latency(batches=[1], repeats=1))
    table = latency_table(spec, CPU)
    assert table["status"].tolist() == ["unknown architecture", "ok"]
    assert table["seconds_per_forward"].isna().tolist() == [True, False]
