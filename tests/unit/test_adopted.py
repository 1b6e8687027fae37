"""Adopted pipelines: loaded in parts, with students of their own, or refused in a line."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import diffusers
import peft
import pipelines
import pytest
import torch
from adopting import SHOWN, SIDE, cell

from ldm_scaling import kinds
from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.costs.count_adopted import adopted_costs
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.models import adopt
from ldm_scaling.study.adopted import AdoptedModel


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
