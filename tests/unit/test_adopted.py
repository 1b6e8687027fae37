"""Adopted pipelines: loaded in parts, called alike, counted without weights."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import by_hand
import diffusers
import numpy as np
import peft
import pipelines
import pytest
import torch
import yaml
from cleanfid.resize import make_resizer
from commands import run_here
from pictures import data_of, rows_of
from PIL import Image
from pipelines import MAKERS, save
from project import ROOT
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from ldm_scaling import kinds, plan
from ldm_scaling.cells import adopted as cells_of_adopted
from ldm_scaling.cells import sweep
from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.cells.illustrate import ALPHAS
from ldm_scaling.cells.sample import initial_noise
from ldm_scaling.costs.check_adopted import check_sampling
from ldm_scaling.costs.count_adopted import adopted_costs, known_costs, untrained
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.models import adopt, encode_prompts
from ldm_scaling.models.architectures.counting import count_params
from ldm_scaling.models.encode_prompts import as_array
from ldm_scaling.models.known_pipelines import KNOWN
from ldm_scaling.plan.adopted import downloaded_bytes
from ldm_scaling.plan.price import DENOISING
from ldm_scaling.study.adopted import AdoptedModel
from ldm_scaling.study.load import load_study
from ldm_scaling.study.sampling import Setting
from ldm_scaling.workflow.specs.cells import CellSpec, IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.costs import CountAdoptedSpec
from ldm_scaling.workflow.specs.data import PrepareSpec
from ldm_scaling.workflow.specs.latents import EncodePromptsSpec

SIDE, SHOWN = 32, 16
CAPTIONS = ["a red cat", "blue dog", "a small sign with a face"]
FLOW = ["stable_diffusion_3", "sana", "flux"]
OF_DIFFUSION = ["stable_diffusion", "stable_diffusion_xl", "pixart"]


def cell(**other: Any) -> Any:
    """What a sampler reads of a cell."""
    own = {"steps": 4, "guidance": 3.0, "seed": 0, "sampler": "native", "schedule": "trailing"}
    return SimpleNamespace(**own | other)


class Adopted:
    """A pipeline in a folder, its sampler and its encoded prompts."""

    def __init__(self, name: str, folder: Any):
        self.model = AdoptedModel(name=name.replace("_", "-"), pretrained=str(folder), side=SIDE)
        self.layout = adopt.read_layout(self.model)
        text = adopt.load(self.model, text=True)
        encoded = adopt.encode(text, self.layout, self.model, CAPTIONS)
        self.prompts = {key: as_array(key, own) for key, own in encoded.items()}
        self.pipeline = adopt.load(self.model, text=False)
        parts = (self.pipeline, self.layout, self.prompts)
        self.sampler = PipelineSampler(*parts, SIDE, SHOWN)
        self.whole = PipelineSampler(*parts, SIDE, SIDE)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A function of a pipeline's name; each is made once."""
    made: dict[str, Adopted] = {}

    def get(name: str) -> Adopted:
        if name not in made:
            made[name] = Adopted(name, save(name, tmp_path_factory.mktemp(name)))
        return made[name]

    return get


@pytest.mark.parametrize("name", MAKERS)
def test_images_do_not_depend_on_the_batch_and_evaluations_are_counted(adopted, name):
    own = adopted(name)
    images, finite = own.sampler.images(cell(), range(3))
    assert images.shape == (3, 3, SHOWN, SHOWN) and images.dtype == np.uint8 and finite
    assert own.sampler.evaluations(cell()) == by_hand.nfe(name, 4, 3)
    alone, _ = own.sampler.images(cell(), [1])
    assert abs(images[1].astype(int) - alone[0]).max() <= 1
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize("name", MAKERS)
def test_a_scale_of_one_takes_one_evaluation_a_step(adopted, name):
    own = adopted(name)
    own.sampler.images(cell(guidance=1.0), [0])
    assert own.sampler.evaluations(cell()) == by_hand.nfe(name, 4, 1)


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


@pytest.mark.parametrize("name", MAKERS)
def test_another_scale_gives_other_images(adopted, name):
    own = adopted(name)
    images = [own.sampler.images(cell(guidance=scale), [0])[0] for scale in (2.0, 9.0)]
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize(
    ("name", "negative"),
    [
        ("stable_diffusion", None),
        ("stable_diffusion_xl", None),  # which guides away from zeros, not from an empty prompt
        ("stable_diffusion_xl", ""),
        ("stable_diffusion_xl", "big dog"),
        ("pixart", None),
        ("pixart", "big dog"),
        ("sana", None),
    ],
)
def test_images_are_those_of_the_pipeline_called_with_captions(adopted, name, negative):
    own = adopted(name)
    whole = diffusers.DiffusionPipeline.from_pretrained(own.model.folder)
    whole.set_progress_bar_config(disable=True)
    config = getattr(whole, own.layout.kind.denoiser).config
    side = SIDE // whole.vae_scale_factor
    noise = initial_noise(0, range(3), (config.in_channels, side, side))
    more = {"use_resolution_binning": False, "clean_caption": False}
    given = dict(more) if name in ("pixart", "sana") else {}
    if negative is not None:
        given["negative_prompt"] = [negative] * 3
    if name == "sana":
        given["complex_human_instruction"] = None
    by_hand = whole(
        CAPTIONS,
        height=SIDE,
        width=SIDE,
        latents=noise,
        generator=list(row_generators(Stream.SAMPLING_STEPS, 0, range(3))),
        num_inference_steps=4,
        guidance_scale=3.0,
        output_type="np",
        **given,
    ).images
    model = own.model.model_copy(update={"negative_prompt": negative})
    encoded = adopt.encode(adopt.load(model, text=True), own.layout, model, CAPTIONS)
    prompts = {key: as_array(key, value) for key, value in encoded.items()}
    sampler = PipelineSampler(own.pipeline, own.layout, prompts, SIDE, SIDE)
    images, _ = sampler.images(cell(), range(3))
    expected = np.round(by_hand * 255).transpose(0, 3, 1, 2)
    # embedded prompts are kept in half precision
    assert abs(images - expected).max() <= 2


@pytest.mark.parametrize("name", OF_DIFFUSION)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_ddim_is_that_of_diffusers_where_both_take_the_same_steps(adopted, name, scale):
    own = adopted(name)
    images, _ = own.whole.images(cell(sampler="ddim", guidance=scale), range(2))
    levels = own.pipeline.scheduler.timesteps.tolist()
    saved = own.layout.config("scheduler")
    given = {"timestep_spacing": "trailing", "clip_sample": False, "set_alpha_to_one": True}
    own.pipeline.scheduler = diffusers.DDIMScheduler.from_config(saved, **given)
    theirs = PipelineSampler(own.pipeline, own.layout, own.prompts, SIDE, SIDE)
    expected, _ = theirs.images(cell(guidance=scale), range(2))
    assert own.pipeline.scheduler.timesteps.tolist() == levels
    assert abs(images.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "process",
    [
        {"trained_betas": np.linspace(1e-3, 5e-2, 1000).tolist()},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    ],
)
def test_solvers_of_the_study_keep_every_part_of_the_noise_schedule(adopted, process):
    own = adopted("stable_diffusion")
    given = {"timestep_spacing": "trailing", "clip_sample": False, "set_alpha_to_one": True}
    saved = own.layout.config("scheduler")
    own.pipeline.scheduler = diffusers.DDIMScheduler.from_config(saved, **given, **process)
    theirs = PipelineSampler(own.pipeline, own.layout, own.prompts, SIDE, SIDE)
    expected, _ = theirs.images(cell(), range(2))
    found, _ = theirs.images(cell(sampler="ddim"), range(2))
    assert abs(found.astype(int) - expected).max() <= 1


def test_a_scheduler_without_levels_of_training_is_sampled_by_itself_only(adopted):
    own = adopted("stable_diffusion")
    own.pipeline.scheduler = diffusers.EDMEulerScheduler()
    sampler = PipelineSampler(own.pipeline, own.layout, own.prompts, SIDE, SIDE)
    with pytest.raises(InputError, match=r"dpmpp needs beta_start, which EDMEuler.*choose native"):
        sampler.images(cell(sampler="dpmpp"), [0])


@pytest.mark.parametrize("name", OF_DIFFUSION)
@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
def test_solvers_of_the_study_step_through_its_levels(adopted, name, sampler):
    own = adopted(name)
    images, finite = own.sampler.images(cell(sampler=sampler), range(2))
    assert finite and own.sampler.evaluations(cell()) == 8
    assert own.pipeline.scheduler.timesteps.tolist() == [999, 749, 499, 249]
    again, _ = own.sampler.images(cell(sampler=sampler), [1])
    assert abs(images[1].astype(int) - again[0]).max() <= 1


@pytest.mark.parametrize("name", FLOW)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp"])
def test_solvers_of_flows_keep_the_shift_and_waste_no_step(adopted, name, sampler):
    own = adopted(name)
    _, finite = own.sampler.images(cell(sampler=sampler), range(2))
    assert finite and own.sampler.evaluations(cell()) == (4 if name == "flux" else 8)
    sigmas = own.pipeline.scheduler.sigmas
    if name != "flux":  # whose shift follows from the size
        even = torch.tensor([1, 0.75, 0.5, 0.25])
        shifted = 3 * even / (1 + 2 * even)
        assert torch.allclose(sigmas[:-1].float(), shifted, atol=2e-3)
    assert sigmas[-1] == 0


@pytest.mark.parametrize("name", FLOW)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp"])
def test_a_schedule_that_solvers_of_flows_ignore_is_refused(adopted, name, sampler):
    own = adopted(name).sampler
    with pytest.raises(InputError, match="leading is not for flow matching; set trailing and"):
        own.images(cell(sampler=sampler, schedule="leading"), [0])


def native(adopted, name: str, **settings: Any) -> Any:
    """A pipeline with another scheduler for its native sampler."""
    model = adopted(name).model.model_copy(update={"scheduler": settings})
    return adopt.load(model, text=False)


@pytest.mark.parametrize("name", ["stable_diffusion_3", "sana"])
@pytest.mark.parametrize(
    "kind",
    [
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
        "FlowMatchEulerDiscreteScheduler",
        "FlowMatchHeunDiscreteScheduler",
    ],
)
def test_another_scheduler_of_a_flow_keeps_the_shift(adopted, name, kind):
    pipeline = native(adopted, name, **{"class": kind})
    assert type(pipeline.scheduler).__name__ == kind
    pipeline.scheduler.set_timesteps(1000)
    found = pipeline.scheduler.sigmas
    assert found[0] == pytest.approx(1, abs=2e-3) and found[-1] == 0
    middle = found[len(found) // 2].item()
    assert middle == pytest.approx(3 * 0.5 / (1 + 2 * 0.5), abs=2e-3)


def test_other_settings_of_a_scheduler_stand_beside_those_of_the_pipeline(adopted):
    given = {"class": "DPMSolverMultistepScheduler", "flow_shift": 5.0, "solver_order": 3}
    scheduler = native(adopted, "sana", **given).scheduler
    assert (scheduler.config.flow_shift, scheduler.config.solver_order) == (5.0, 3)
    ours = native(adopted, "stable_diffusion", **{"class": "DEISMultistepScheduler"}).scheduler
    assert ours.config.beta_end == 0.012


DPM = "DPMSolverMultistepScheduler"


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("sana", {"class": "DEISMultistepScheduler"}, "DEIS.* is not for flow matching; take Flow"),
        ("sana", {"class": "SASolverScheduler"}, "SASolver.* is not for flow matching; take Flow"),
        ("sana", {"class": "DDIMScheduler"}, "DDIMScheduler is not for flow matching"),
        ("sana", {"class": DPM, "use_flow_sigma": True}, "has no setting use_flow_sigma;"),
        ("sana", {"class": DPM, "use_flow_sigmas": False}, "these settings is not for flow match"),
        ("sana", {"class": "DPMSolver"}, "diffusers has no scheduler DPMSolver; correct class"),
        ("sana", {"class": "UNet2DModel"}, "diffusers has no scheduler UNet2DModel"),
        ("flux", {"class": "FlowMatchHeunDiscreteScheduler"}, "cannot shift by the image's size"),
        (
            "stable_diffusion",
            {"class": "FlowMatchEulerDiscreteScheduler"},
            "is not for models that are not of flow matching",
        ),
        ("stable_diffusion", {"class": DPM, "algorithm_type": "other"}, "scheduler: other"),
    ],
)
def test_a_scheduler_that_does_not_fit_is_refused_before_anything_is_loaded(
    adopted, name, settings, why
):
    model = adopted(name).model.model_copy(update={"scheduler": settings})
    with pytest.raises(InputError, match=why) as found:
        adopt.read_layout(model)
    assert str(found.value).startswith(f"config key adopted.models: {model.name}: scheduler: ")


@pytest.mark.parametrize(
    ("name", "sampler", "why"),
    [
        ("stable_diffusion", "euler", "euler does not sample a model that is not of flow matching"),
        ("sana", "ddim", "ddim does not sample flow matching"),
        ("sana_sprint", "dpmpp", "SanaSprintPipeline has its own sampler only"),
        ("consistency", "ddim", "LatentConsistencyModelPipeline has its own sampler only"),
    ],
)
def test_a_sampler_that_does_not_fit_is_refused(adopted, name, sampler, why):
    with pytest.raises(InputError, match=why):
        adopted(name).sampler.images(cell(sampler=sampler), [0])


def test_sprint_takes_other_steps_than_two_without_its_time_between(adopted):
    sampler = adopted("sana_sprint").sampler
    for steps in (1, 2, 3):
        _, finite = sampler.images(cell(steps=steps), [0])
        assert finite and sampler.evaluations(cell()) == steps


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


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("stable_diffusion_xl", "float16", "float32"),
        ("stable_diffusion_xl", "bfloat16", "bfloat16"),
        ("stable_diffusion", "float16", "float16"),
        ("sana", "bfloat16", "bfloat16"),
    ],
)
def test_latents_are_decoded_in_what_the_pipeline_decodes_them_in(
    adopted, name, dtype, expected, monkeypatch
):
    own = adopted(name)
    model, seen = own.model.model_copy(update={"dtype": dtype}), []
    pipeline = adopt.load(model, text=False)
    decode = type(pipeline.vae).decode

    def noting(vae, latents, *args, **kwargs):
        seen.append(vae.dtype)
        return decode(vae, latents, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.vae), "decode", noting)
    PipelineSampler(pipeline, own.layout, own.prompts, SIDE, SHOWN).images(cell(steps=1), [0])
    assert seen == [getattr(torch, expected)]
    assert adopted_costs(model).decoded_in == expected


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


def student_of(adopted, **other: Any) -> Any:
    """The sampler of a student of the tiny Stable Diffusion, and its model."""
    base = adopted("stable_diffusion")
    given = {"name": "student", "side": SIDE, "few_step_of": base.model.name}
    model = AdoptedModel(**given | other).model_copy(update={"base": base.model})
    layout = adopt.read_layout(model)
    pipeline = adopt.load(model, text=False)
    return PipelineSampler(pipeline, layout, base.prompts, SIDE, SHOWN), pipeline, model


def test_a_denoiser_alone_goes_into_the_pipeline_of_its_model(adopted, tmp_path):
    torch.manual_seed(1)
    pipelines._unet(time_cond_proj_dim=16).save_pretrained(tmp_path)
    solver = {"class": "LCMScheduler", "original_inference_steps": 20}
    given = {"part": "denoiser", "pretrained": str(tmp_path), "scheduler": solver}
    sampler, pipeline, model = student_of(adopted, **given)
    images, finite = sampler.images(cell(), range(2))
    assert finite and sampler.evaluations(cell()) == 4, "it is told the scale"
    assert type(pipeline.scheduler).__name__ == "LCMScheduler"
    assert pipeline.scheduler.config.original_inference_steps == 20
    assert pipeline.scheduler.config.beta_end == 0.012, "the rest is the pipeline's own"
    before, _ = adopted("stable_diffusion").sampler.images(cell(), range(2))
    assert (images != before).any()
    costs = adopted_costs(model)
    assert costs.told and costs.params > adopted_costs(model.base).params


@pytest.mark.parametrize("name", [None, "own_4step_lora.safetensors"])
def test_a_lora_is_added_to_the_weights_of_its_model(adopted, tmp_path, name):
    base = adopted("stable_diffusion")
    unet = diffusers.UNet2DConditionModel.from_pretrained(base.model.folder / "unet")
    unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    diffusers.StableDiffusionPipeline.save_lora_weights(
        tmp_path, peft.get_peft_model_state_dict(unet), weight_name=name, safe_serialization=True
    )
    given = {"part": "lora", "pretrained": str(tmp_path), "weight_name": name}
    sampler, _, model = student_of(adopted, **given)
    images, finite = sampler.images(cell(), range(2))
    before, _ = base.sampler.images(cell(), range(2))
    assert finite and (images != before).any()
    assert adopted_costs(model) == adopted_costs(base.model), "it costs nothing once it is added"


def test_an_unknown_class_is_refused_with_the_line_that_would_add_it(tmp_path):
    model = AdoptedModel(name="m", pretrained=str(tmp_path), side=SIDE)
    for denoiser, width in (("unet", "cross_attention_dim"), ("transformer", "caption_channels")):
        index = {"_class_name": "OtherPipeline", denoiser: ["diffusers", "Network"]}
        (tmp_path / adopt.INDEX).write_text(json.dumps(index))
        with pytest.raises(InputError, match="OtherPipeline is not known") as found:
            adopt.read_layout(model)
        line = str(found.value).rpartition(": ")[2]
        added = eval(line, vars(kinds.pipelines))
        assert (added.name, added.denoiser, added.width) == ("OtherPipeline", denoiser, width)


def test_a_scale_that_a_pipeline_ignores_is_refused(adopted):
    own = adopted("flux")
    ignoring = {"guidance_embeds": False}
    layout = SimpleNamespace(
        kind=own.layout.kind, told=False, folder=own.layout.folder, flow=True, denoiser=ignoring
    )
    sampler = PipelineSampler(own.pipeline, layout, own.prompts, SIDE, SHOWN)  # type: ignore
    with pytest.raises(InputError, match="ignores the guidance scale"):
        sampler.images(cell(), [0])


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


@pytest.mark.parametrize(
    ("name", "update", "why"),
    [
        ("sana", {"dtype": "float16"}, "SanaPipeline fails in float16; set dtype: bfloat16"),
        ("sana_sprint", {"dtype": "float16"}, "SanaSprintPipeline fails in float16"),
        ("stable_diffusion", {"max_sequence_length": 20}, "max_sequence_length: .*remove it"),
        ("stable_diffusion_xl", {"max_sequence_length": 20}, "max_sequence_length: .*remove it"),
    ],
)
def test_a_key_that_is_not_for_the_class_is_refused(adopted, name, update, why):
    with pytest.raises(InputError, match=why):
        adopt.read_layout(adopted(name).model.model_copy(update=update))


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


def test_neither_checker_nor_watermark_is_loaded(adopted):
    assert adopted("stable_diffusion").pipeline.safety_checker is None
    assert adopted("stable_diffusion_xl").pipeline.watermark is None


def test_the_summary_names_what_is_left_out_and_how_guidance_is_applied(adopted):
    def of(name):
        return adopted(name).model, adopted(name).layout

    found = adopt.summarized(*of("stable_diffusion"))
    assert found["pipeline"] == "StableDiffusionPipeline"
    assert (found["process"], found["guidance"]) == ("ddpm", "two evaluations")
    assert "cleaning of captions" in adopt.summarized(*of("pixart"))["left_out"]
    assert {"rewriting of prompts", "rounding of sizes to those of a list"} <= set(
        adopt.summarized(*of("sana"))["left_out"]
    )
    assert adopt.summarized(*of("stable_diffusion_xl"))["left_out"] == ["watermarker"]
    assert found["left_out"] == []
    flux = adopted("flux")
    told = adopt.summarized(flux.model, flux.layout)["guidance"]
    assert told == "the scale is an input of the network"
    sana = adopted("sana")
    assert adopt.summarized(sana.model, sana.layout)["process"] == "flow"


def test_generated_and_real_images_are_resized_alike_and_as_clean_fid_does(
    adopted, tmp_path, monkeypatch
):
    own = adopted("stable_diffusion")
    whole, _ = own.whole.images(cell(), range(3))
    small, _ = own.sampler.images(cell(), range(3))
    resize = make_resizer("PIL", False, "bicubic", (SHOWN, SHOWN))
    expected = [resize(image).round() for image in whole.transpose(0, 2, 3, 1)]
    assert np.array_equal(small.transpose(0, 2, 3, 1), expected)
    lines = ["file_name,text"]
    for number, image in enumerate(whole.transpose(0, 2, 3, 1)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    data = data_of(tmp_path, validation=1, test=2).model_copy(update={"image_size": SHOWN})
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["data"]["image_size"] = SHOWN
    study = load_study(config | {"adopted": {"models": [own.model], "reference": own.model.name}})
    spec = PrepareSpec.of(study).model_copy(update={"data": data}).model_dump_json()
    words = ("--spec", spec, "--out", tmp_path / "packed")
    assert run_here("data.prepare", *words).returncode == 0
    for split in ("validation", "test"):
        images = map_array(tmp_path / f"packed/{split}.safetensors", "images")
        for row, image in zip(rows_of(tmp_path / "packed", split), images, strict=True):
            assert np.array_equal(image, small[int(row["caption"])])


def test_images_of_another_side_are_measured_anew(adopted, tmp_path, monkeypatch):
    own = adopted("stable_diffusion")
    write_arrays(tmp_path / "prompts", own.prompts, "abc")
    monkeypatch.setattr(cells_of_adopted, "load", lambda model, *, text: own.pipeline)
    extractors = [{"name": "effnet_lite0", "input_size": 32}]
    given = {"sampler": "native", "steps": 2, "guidance": 3, "n": 3, "seed": 0}
    found = CellSpec(**given, extractors=extractors)
    options = SimpleNamespace(
        **{"max_seconds": None, "work_dir": tmp_path / "work", "text": tmp_path / "prompts"},
        **{"gpus": 0, "batch": None, "weights": None, "captions": None, "reference": None},
    )

    def sampled(side: int) -> sweep.Sampled:
        spec = SweepSpec(pipeline=own.model, side=side, cells=[found])
        return sweep.Sweep(spec, options).sample(found)  # type: ignore[arg-type]

    first, other = sampled(SHOWN), sampled(SHOWN // 2)
    assert first.sheet.shape[-1] == SHOWN and other.sheet.shape[-1] == SHOWN // 2
    assert (first.features != other.features).any()


@pytest.mark.parametrize("room", [2, 0, None])
def test_prompts_are_encoded_with_the_memory_that_there_is(adopted, tmp_path, monkeypatch, room):
    """On a GPU with room for two prompts, for the weights alone, or for nothing."""
    own, places = adopted("sana"), []
    pipeline = adopt.load(own.model, text=True)
    move, encode = pipeline.to, adopt.encode

    def to(place):
        places.append(str(place))
        if room is None and place != "cpu":
            raise torch.OutOfMemoryError
        return move("cpu")

    def encoded(pipeline, layout, model, captions):
        if places[-1] != "cpu" and len(captions) > (room or 0):
            raise torch.OutOfMemoryError
        return encode(pipeline, layout, model, captions)

    monkeypatch.setattr(pipeline, "to", to)
    monkeypatch.setattr(encode_prompts, "load", lambda model, *, text: pipeline)
    monkeypatch.setattr(encode_prompts, "encode", encoded)
    monkeypatch.setattr(encode_prompts, "own_device", lambda: "gpu")
    (tmp_path / "test.csv").write_text("\n".join(["caption", *CAPTIONS, ""]))
    spec = EncodePromptsSpec(pipeline=own.model, n=len(CAPTIONS)).model_dump_json()
    paths = {"captions": "test.csv", "out": "out", "summary": "summary", "work-dir": "work"}
    words = [f"--{name}={tmp_path / path}" for name, path in paths.items()]
    done = run_here("models.encode_prompts", "--spec", spec, *words)
    assert done.returncode == 0, done.stderr
    for name, expected in own.prompts.items():
        np.testing.assert_allclose(map_array(tmp_path / "out", name), expected, atol=2e-3)
    assert places == (["gpu"] if room else ["gpu", "cpu"])


@pytest.mark.parametrize("text", [True, False])
def test_a_hub_id_without_a_commit_is_refused_with_what_to_do(text):
    for name in ("ORG/unknown", "CompVis/stable-diffusion-v1-4"):
        model = AdoptedModel(name="m", pretrained=name, side=SIDE)
        with pytest.raises(
            InputError, match=f"m has no revision; give it the full commit of {name}"
        ):
            adopt.load(model, text=text)
    with pytest.raises(InputError, match="m has no revision"):
        adopt.read_layout(model.model_copy(update={"pretrained": "ORG/unknown"}))


def test_an_image_that_takes_more_memory_than_there_is_has_no_evaluations(adopted, monkeypatch):
    sampler = adopted("stable_diffusion").sampler
    sampler.images(cell(), [0])

    def decode(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(adopted("stable_diffusion").pipeline.vae, "decode", decode)
    with pytest.raises(torch.OutOfMemoryError):
        sampler.images(cell(steps=7), [0])
    assert sampler.evaluations(cell()) == 0, "and not those of the image before"
