"""Sampling against diffusers' own pipeline, and independence of the batch size."""

import copy

import numpy as np
import project
import pytest
import torch
from diffusers import DiffusionPipeline, LatentConsistencyModelPipeline
from sampled import CAPTIONS, CELL, FAMILY, latent_sampler, untrained
from solvers import solver

from ldm_scaling.cells.sample import initial_noise
from ldm_scaling.diffusion.sampling import make_scheduler, sample_latents
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.kinds.samplers import UNDISTILLED
from ldm_scaling.latents.autoencoder import decode, save_model, to_uint8
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.denoiser import load as load_unet
from ldm_scaling.models.pipeline import make_pipeline
from ldm_scaling.models.students import make_student
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.latents import TextEncoder


@pytest.fixture
def networks():
    return untrained()


@pytest.fixture
def sampler():
    return latent_sampler()


def step_noise(count):
    return list(row_generators(Stream.SAMPLING_STEPS, 0, range(count)))


@pytest.mark.parametrize("sampler", UNDISTILLED)
@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@pytest.mark.parametrize(("steps", "guidance"), [(2, 1.0), (5, 3.0)])
def test_latents_equal_diffusers_pipeline(networks, sampler, prediction, steps, guidance):
    unet, autoencoder, encoder = networks
    diffusion = Diffusion(prediction=prediction)
    noise = initial_noise(0, range(3), (4, 4, 4))
    text, empty = encoder(CAPTIONS), encoder([""])[0]
    ours = sample_latents(
        unet, solver(sampler, steps, diffusion), noise, text, empty, guidance, step_noise(3)
    )
    pipeline = make_pipeline(unet, autoencoder, encoder, make_scheduler(sampler, diffusion))
    settings = {"num_inference_steps": steps, "guidance_scale": guidance, "latents": noise}
    theirs = pipeline(CAPTIONS, output_type="latent", generator=step_noise(3), **settings).images
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    pixels = pipeline(CAPTIONS, output_type="np", generator=step_noise(3), **settings).images
    theirs_uint8 = (pixels * 255).round().astype(np.uint8).transpose(0, 3, 1, 2)
    assert np.abs(to_uint8(decode(autoencoder, ours)).astype(int) - theirs_uint8).max() <= 1


def test_a_text_is_projected_once_for_all_steps(networks):
    unet, _, encoder = networks
    unet = copy.deepcopy(unet)
    projections = [m for n, m in unet.named_modules() if n.endswith("attn2.to_k")]
    projected = []
    for projection in projections:
        projection.register_forward_hook(lambda *seen: projected.append(id(seen[2])))
    noise, empty = initial_noise(0, range(3), (4, 4, 4)), encoder([""])[0]
    for captions in (CAPTIONS, CAPTIONS[::-1]):
        projected.clear()
        sample_latents(unet, solver("ddim", 4), noise, encoder(captions), empty, 3.0, [])
        assert len(projected) == 4 * len(projections)
        assert len(set(projected)) == len(projections)
    unet(noise, 5, encoder(CAPTIONS))  # outside of a trajectory nothing is remembered
    assert not any("forward" in vars(projection) for projection in projections)


@pytest.mark.parametrize("pretrained", ["minilm-l6", "word-vectors"])
def test_the_pipeline_survives_a_round_trip_through_a_folder(
    networks, pretrained, tmp_path, monkeypatch
):
    unet, autoencoder, encoder = networks
    if pretrained == "word-vectors":
        monkeypatch.chdir(project.fetch(pretrained).parents[1])
        encoder = CaptionEncoder(TextEncoder(pretrained=pretrained, max_tokens=12, width=300))
        unet = build_unet(FAMILY, "c8", (4, 4, 4), 300)
    scheduler = make_scheduler("ddim", Diffusion(prediction="v_prediction"))
    make_pipeline(unet, autoencoder, encoder, scheduler).save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path, safety_checker=None)
    noise = initial_noise(0, range(2), (4, 4, 4))
    text, empty = encoder(CAPTIONS[:2]), encoder([""])[0]
    ours = sample_latents(unet, solver("ddim", 2), noise, text, empty, 2.0, [])
    theirs = loaded(
        CAPTIONS[:2],
        num_inference_steps=2,
        guidance_scale=2.0,
        latents=noise,
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_the_pipeline_of_a_student_survives_it_too(networks, tmp_path):
    unet, autoencoder, encoder = networks
    student = make_student(unet).eval()
    torch.nn.init.normal_(student.time_embedding.cond_proj.weight, std=0.1)
    scheduler = make_scheduler("lcm", Diffusion(prediction="v_prediction"), 50)
    make_pipeline(student, autoencoder, encoder, scheduler).save_pretrained(tmp_path)
    loaded = DiffusionPipeline.from_pretrained(tmp_path, safety_checker=None)
    assert isinstance(loaded, LatentConsistencyModelPipeline)
    noise = initial_noise(0, range(2), (4, 4, 4))
    text, empty = encoder(CAPTIONS[:2]), encoder([""])[0]
    generators = [torch.Generator().manual_seed(row) for row in range(2)]
    steps = solver("lcm", 4, teacher_steps=50)
    ours = sample_latents(student, steps, noise, text, empty, 6.0, generators)
    theirs = loaded(
        CAPTIONS[:2],
        num_inference_steps=4,
        guidance_scale=6.0,
        latents=noise,
        generator=[torch.Generator().manual_seed(row) for row in range(2)],
        output_type="latent",
    ).images
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_image_i_is_the_same_for_every_batch_size(sampler):
    whole, finite = sampler.images(CELL, range(70))
    assert finite
    assert len(np.unique(whole.reshape(70, -1), axis=0)) == 70
    for size in (1, 7, 64):
        for start in (0, 35, 69):
            rows = range(start, min(start + size, 70))
            part, _ = sampler.images(CELL, rows)
            difference = part.astype(int) - whole[rows.start : rows.stop]
            assert np.abs(difference).max() <= 1  # rounding to 8 bits
            assert np.abs(difference).mean() < 0.01


def test_noise_is_shared_by_cells_and_differs_between_images():
    noise = initial_noise(0, range(4), (2, 3, 3))
    assert torch.equal(noise[2:], initial_noise(0, range(2, 4), (2, 3, 3)))
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, initial_noise(1, range(4), (2, 3, 3)))


@pytest.mark.parametrize("part", ["network", "autoencoder"])
def test_numbers_that_are_not_finite_are_noticed(sampler, part, monkeypatch):
    network = copy.deepcopy(getattr(sampler, part))
    for parameter in network.parameters():
        parameter.mul_(torch.nan)
    monkeypatch.setattr(sampler, part, network)
    _, finite = sampler.images(CELL, range(2))
    assert not finite


def test_a_truncated_model_is_named(networks, tmp_path):
    save_model(networks[0], tmp_path / "unet", "diffusion_pytorch_model.safetensors")
    assert load_unet(tmp_path).config.in_channels == 4
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load_unet(tmp_path)
    assert "\n" not in str(error.value)


def test_a_fraction_that_was_not_kept_is_one_line(networks, tmp_path):
    save_model(networks[0], tmp_path / "unet", "diffusion_pytorch_model.safetensors")
    write_arrays(tmp_path / "kept.safetensors", {}, "abc")
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load_unet(tmp_path, 0.25)
    assert "\n" not in str(error.value)
