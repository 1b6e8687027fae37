"""Adopted pipelines sample by their own scheduler as in diffusers, and by the study's solvers."""

from __future__ import annotations

from typing import Any

import by_hand
import diffusers
import numpy as np
import pytest
import torch
from adopting import CAPTIONS, SHOWN, SIDE, cell
from pipelines import MAKERS

from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.cells.sample import initial_noise
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.models import adopt
from ldm_scaling.models.encode_prompts import as_array

FLOW = ["stable_diffusion_3", "sana", "flux"]


OF_DIFFUSION = ["stable_diffusion", "stable_diffusion_xl", "pixart"]


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
