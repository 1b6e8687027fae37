"""Adopted pipelines are counted without weights, and refused then if they cannot be sampled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import by_hand
import diffusers
import numpy as np
import pipelines
import pytest
import torch
from adopting import SIDE
from pipelines import MAKERS
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from ldm_scaling import plan
from ldm_scaling.cells.illustrate import ALPHAS
from ldm_scaling.costs.check_adopted import check_sampling
from ldm_scaling.costs.count_adopted import adopted_costs, known_costs, untrained
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.models import adopt
from ldm_scaling.models.architectures.counting import count_params
from ldm_scaling.models.known_pipelines import KNOWN
from ldm_scaling.plan.adopted import downloaded_bytes
from ldm_scaling.plan.price import DENOISING
from ldm_scaling.study.adopted import AdoptedModel
from ldm_scaling.study.sampling import Setting
from ldm_scaling.workflow.specs.cells import CellSpec, IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.costs import CountAdoptedSpec


@pytest.mark.parametrize("name", MAKERS)
def test_costs_are_those_of_the_loaded_networks(adopted, name):
    own = adopted(name)
    costs = adopted_costs(own.model)
    network = getattr(own.pipeline, own.layout.kind.denoiser)
    assert costs.params == sum(weights.numel() for weights in network.parameters())
    decoder = own.pipeline.vae
    assert costs.autoencoder_params == sum(weights.numel() for weights in decoder.parameters())
    shapes = {key: list(value.shape[1:]) for key, value in own.prompts.items()}
    assert costs.prompt == sum(int(np.prod(shape)) for shape in shapes.values())


@pytest.mark.parametrize("name", MAKERS)
def test_weights_are_as_large_as_the_files_that_have_them(adopted, name):
    model = adopted(name).model

    def stored(folder):
        """Bytes of numbers in files, without tables of positions, which are computed."""
        files = model.folder.glob(f"{folder}/*.safetensors")
        tensors = [item for path in files for item in load_file(path).items()]
        return sum(own.nbytes for key, own in tensors if not key.endswith("pos_embed.pos_embed"))

    whole = adopted_costs(model)
    assert whole.weights(text=True) == stored("*")
    assert whole.weights(text=True) - whole.weights(text=False) == stored("text_encoder*")
    half = adopted_costs(model.model_copy(update={"dtype": "bfloat16"}))
    assert half.weights(text=True) == stored("*") / 2
    assert downloaded_bytes(model, half) == stored("*")
    assert downloaded_bytes(model.model_copy(update={"variant": "fp16"}), whole) == stored("*") / 2


def test_flops_of_a_unet_are_those_of_its_own_forward_pass(adopted):
    own = adopted("stable_diffusion")
    config = own.pipeline.unet.config
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel.from_config(config)
        with FlopCounterMode(display=False) as counter:
            unet(torch.empty(1, 4, 16, 16), torch.zeros(1), torch.empty(1, 16, 32))
    assert adopted_costs(own.model).forward == counter.get_total_flops()


@pytest.mark.parametrize("name", by_hand.FLOPS)
def test_flops_of_transformers_are_those_counted_by_hand(adopted, name):
    assert adopted_costs(adopted(name).model).forward == by_hand.FLOPS[name]()


@pytest.mark.parametrize(
    ("name", "side", "millions", "gigaflops"),
    [  # parameters as published, FLOPs as counted elsewhere
        ("CompVis/stable-diffusion-v1-4", 512, 859.5, 803),
        ("nota-ai/bk-sdm-tiny", 512, 323.4, 486),
        ("Efficient-Large-Model/Sana_600M_512px_diffusers", 512, 591.7, 316),
    ],
)
def test_public_pipelines_are_counted_before_they_are_there(name, side, millions, gigaflops):
    assert name in KNOWN
    costs = adopted_costs(AdoptedModel(name="m", pretrained=name, side=side))
    assert costs.params / 1e6 == pytest.approx(millions, abs=0.1)
    assert costs.forward / 1e9 == pytest.approx(gigaflops, abs=0.6)


@pytest.mark.parametrize(
    ("name", "asked", "why"),
    [
        ("stable_diffusion", {"samplers": ["native", "euler"]}, "sampling.samplers: euler"),
        ("sana", {"samplers": ["ddim"]}, "ddim does not sample flow matching"),
        ("sana_sprint", {"samplers": ["dpmpp"]}, "has its own sampler only; choose native"),
        ("sana", {"samplers": ["dpmpp"], "schedules": ["trailing", "leading"]}, "set trailing"),
        ("schnell", {"samplers": ["native"]}, r"ignores the guidance.*guidance: \[1\]"),
        ("edm", {"samplers": ["dpmpp"]}, "dpmpp needs beta_start"),
    ],
)
def test_what_a_study_asks_in_vain_is_refused_when_models_are_counted(
    adopted, tmp_path, name, asked, why
):
    folder = tmp_path / name
    if name == "schnell":
        pipeline = pipelines.flux()
        pipeline.transformer.register_to_config(guidance_embeds=False)
        pipeline.save_pretrained(folder)
    elif name == "edm":
        pipeline = pipelines.stable_diffusion_xl()
        pipeline.scheduler = diffusers.EDMEulerScheduler()
        pipeline.save_pretrained(folder)
    else:
        folder = adopted(name).model.folder
    model = AdoptedModel(name="own", pretrained=str(folder), side=SIDE)
    given = {"models": [model], "reference": "own", "order": "listed"}
    given |= {"schedules": ["trailing"], "strongest": {"own": 3.0}} | asked
    with pytest.raises(InputError, match=f"^config key adopted.models: own: .*{why}"):
        check_sampling(CountAdoptedSpec(**given))
    fine = {"samplers": ["native"], "schedules": ["trailing", "leading"], "strongest": {"own": 1}}
    check_sampling(CountAdoptedSpec(**given | fine))


@pytest.mark.parametrize(
    ("name", "side", "why"),
    [
        ("stable_diffusion", 33, "side: 33 is no multiple of 2; change it"),
        ("stable_diffusion", 20, "StableDiffusionPipeline refuses: .*divisible by 8"),
        ("pixart", 18, "side: 18 is no multiple of 4"),
        ("sana", 40, "SanaPipeline refuses: .*divisible by 32"),
        ("flux", 18, "side: 18 is no multiple of 4"),  # FLUX itself would make 16
        ("stable_diffusion_3", 64, "its denoiser refuses: .*cannot be greater than"),
    ],
)
def test_a_side_that_a_pipeline_does_not_make_is_refused_when_it_is_counted(
    adopted, name, side, why
):
    model = adopted(name).model.model_copy(update={"side": side})
    for count in (adopted_costs, known_costs):
        with pytest.raises(InputError, match=f"config key adopted.models: {model.name}: {why}"):
            count(model)


def test_a_denoiser_that_is_not_there_is_unknown_although_its_teacher_is_known(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    base = AdoptedModel(name="sd1", pretrained="CompVis/stable-diffusion-v1-4", side=512)
    given = {"name": "m", "part": "denoiser", "few_step_of": "sd1", "side": 512}
    student = AdoptedModel(pretrained="ORG/student", **given).model_copy(update={"base": base})
    found = known_costs(student)
    assert np.isnan([found.params, found.forward]).all()
    pipelines._unet(time_cond_proj_dim=16, cross_attention_dim=768).save_pretrained("ORG/student")
    costs = adopted_costs(student)
    assert costs.told and costs.params < 1e6 < costs.text_params


@pytest.mark.parametrize("name", ["stable_diffusion", "consistency", "sana", "heun"])
def test_a_plan_prices_the_evaluations_of_a_pipelines_own_scheduler(adopted, name):
    own = adopted("stable_diffusion" if name == "heun" else name)
    model, steps, scale = own.model, 5, 3.0
    once = by_hand.nfe(name, steps, scale)
    if name == "heun":  # every step but the last is evaluated twice
        model = model.model_copy(update={"scheduler": {"class": "HeunDiscreteScheduler"}})
        once = 2 * (2 * steps - 1)
    costs = adopted_costs(model)
    nothing = SimpleNamespace(flops=lambda *_: {}, width=lambda *_: 0)
    known: Any = SimpleNamespace(
        adopted={model.name: (model, costs)},
        networks=SimpleNamespace(seen=nothing),
        image_bytes=1,
        reference=costs.forward,
    )
    extractors = [{"name": "effnet_lite0", "input_size": 32}]
    given = {"sampler": "native", "steps": steps, "guidance": scale, "n": 7, "seed": 0}
    cells = [CellSpec(**given, extractors=extractors)]
    job: Any = SimpleNamespace(resources={})
    swept = plan.adopted.sweep(job, SweepSpec(pipeline=model, side=SIDE, cells=cells), known)
    assert swept.flops_of[DENOISING] == 7 * once * costs.forward
    spec = IllustrateSpec(
        size=model.name,
        training_seed=0,
        pipeline=model,
        side=SIDE,
        setting=Setting(sampler="native", steps=steps, guidance=scale, schedule="trailing"),
        seed=0,
        prompts=[0, 1, 2],
        budgets=[steps],
        select_by="fd_x",
        steps=[steps],
        guidance=[scale],
    )
    shown = plan.adopted.illustrate(job, spec, known)
    assert shown.flops_of[DENOISING] == (3 + len(ALPHAS)) * once * costs.forward


@pytest.mark.parametrize(
    ("name", "millions"),
    [  # as their cards say; of SSD-1B as its file of float32 weights says, 5.33 GB
        ("segmind/SSD-1B", 5330 / 4),
        ("segmind/Segmind-Vega", 745),
        ("etri-vilab/koala-1b", 1161),
        ("etri-vilab/koala-700m", 782),
    ],
)
def test_models_that_were_cut_out_of_sdxl_have_their_published_parameters(name, millions):
    layout = adopt.read_layout(AdoptedModel(name="m", pretrained=name, side=1024))
    assert count_params(untrained(layout, "unet")) / 1e6 == pytest.approx(millions, rel=2e-3)
