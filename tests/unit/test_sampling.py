"""Sampling against diffusers' own pipeline, and independence of the batch size."""

import copy
import json
import sys

import networks as stand_ins
import numpy as np
import project
import pytest
import torch
from diffusers import DiffusionPipeline, LatentConsistencyModelPipeline
from solvers import solver

from ldm_scaling.cells import sweep
from ldm_scaling.cells.features import Measuring, load_extractor
from ldm_scaling.cells.sample import LatentSampler, initial_noise
from ldm_scaling.cells.scores import CaptionScorer
from ldm_scaling.cells.sheet import draw_sheet
from ldm_scaling.cells.sweep import SHEET_IMAGES, record, sample_cell
from ldm_scaling.diffusion.sampling import make_scheduler, sample_latents
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded, run
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.kinds.samplers import UNDISTILLED
from ldm_scaling.latents.autoencoder import build, decode, save_model, to_uint8
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.denoiser import load as load_unet
from ldm_scaling.models.pipeline import make_pipeline
from ldm_scaling.models.students import make_student
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.latents import Autoencoder, TextEncoder
from ldm_scaling.study.load import load_study
from ldm_scaling.study.metrics import FeatureNetwork, Scorer
from ldm_scaling.workflow.specs.cells import CellSpec, SweepSpec

CAPTIONS = ["grinning cat, flat twemoji style", "wolf, noto emoji style", "flag: Peru, 3d style"]
CELL = CellSpec(
    sampler="ddim",
    schedule="trailing",
    steps=3,
    guidance=2.5,
    n=70,
    seed=5,
    extractors=[{"name": "effnet_lite0", "input_size": 32}],
)


FAMILY = Family(
    sizes=["c8"],
    reference_size="c8",
    channel_multipliers=[1, 2],
    attention=[True, True],
    res_blocks=1,
    heads=2,
    norm_groups=4,
)


@pytest.fixture(scope="module")
def networks():
    """An untrained U-Net and autoencoder, and the real text encoder."""
    torch.manual_seed(0)
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=12, width=384))
    unet = build_unet(FAMILY, "c8", (4, 4, 4), encoder.model.config.hidden_size)
    settings = {
        "downsampling": 4,
        "latent_channels": 4,
        "width": 8,
        "images": 1,
        "batch": 1,
        "lr": 1.0,
    }
    autoencoder = build(Autoencoder(pretrained=None, **settings))
    for network in (unet, autoencoder):  # as the commands hold them
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return unet, autoencoder, encoder


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


class Flat:
    """A stand-in extractor: mean colour."""

    def __call__(self, images):
        return images.mean(axis=(2, 3)).astype(np.float32)


class Brightness:
    """A stand-in CLIP score: the image's mean plus the number of its prompt."""

    def __call__(self, images, rows):
        means = images.mean(axis=(1, 2, 3))
        return (means + np.arange(rows.start, rows.stop)).astype(np.float32)


FLAT = Measuring({"features": Flat()})


@pytest.fixture
def sampler(networks):
    unet, autoencoder, encoder = networks
    text = encoder(CAPTIONS).numpy()
    text = np.concatenate([text] * 24)[:70]
    empty = encoder([""])[0].numpy()
    return LatentSampler(unet, autoencoder, Diffusion(prediction="v_prediction"), text, empty)


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


class EndsAtOnce(Slice):
    def __init__(self):
        super().__init__(None)

    def ended(self):
        return True


def test_a_cell_continues_where_it_stopped(sampler, tmp_path, monkeypatch):
    monkeypatch.setattr("ldm_scaling.cells.sweep.BATCH", 32)
    with WorkDir(tmp_path / "a", "cell") as work:
        whole = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    assert not whole.diverged
    assert whole.features.shape == (70, 3)
    assert whole.sheet.shape[0] == SHEET_IMAGES
    for expected in (32, 64):
        with WorkDir(tmp_path / "b", "cell") as work, pytest.raises(SliceEnded):
            sample_cell(sampler, FLAT, CELL, work, EndsAtOnce())
        newest = sorted((tmp_path / "b" / "cell").glob("state-*"))[-1]
        assert int(newest.name.split("-")[1]) == expected
    with WorkDir(tmp_path / "b", "cell") as work:
        resumed = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    assert np.array_equal(whole.features, resumed.features)
    assert torch.equal(whole.sheet, resumed.sheet)


def test_prompts_are_scored_with_their_own_images(sampler, tmp_path, monkeypatch):
    monkeypatch.setattr("ldm_scaling.cells.sweep.BATCH", 32)
    measuring = Measuring({"features": Flat()}, {"brightness": Brightness()})
    for _ in range(2):
        with WorkDir(tmp_path, "cell") as work, pytest.raises(SliceEnded):
            sample_cell(sampler, measuring, CELL, work, EndsAtOnce())
    with WorkDir(tmp_path, "cell") as work:
        state = sample_cell(sampler, measuring, CELL, work, Slice(None))
    whole, _ = sampler.images(CELL, range(70))
    expected = Brightness()(whole, slice(0, 70))
    found = state.numbers["brightness"]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, atol=0.05)  # rounding to 8 bits
    with WorkDir(tmp_path / "without", "cell") as work:
        numbers = sample_cell(sampler, FLAT, CELL, work, Slice(None)).numbers
    assert list(numbers) == ["features"]


class Gpu:
    """Stands for a GPU's counter of memory: 0.1 GB an image, and no more than 2 GB."""

    def __init__(self, monkeypatch, images):
        self.peak, self._images = 0.0, images
        monkeypatch.setattr(sweep, "forget_peak", self.forget)
        monkeypatch.setattr(sweep, "peak_gb", lambda device: self.peak)

    def forget(self, device):
        self.peak = 0.0

    def images(self, cell, rows):
        self.peak = max(self.peak, min(2, 0.1 * len(rows)))
        if len(rows) > 20:
            raise torch.OutOfMemoryError
        return self._images(cell, rows)


def test_the_memory_of_a_gpu_is_that_of_the_batch_that_fitted(sampler, tmp_path, monkeypatch):
    gpu = Gpu(monkeypatch, sampler.images)
    monkeypatch.setattr(sampler, "images", gpu.images)
    monkeypatch.setattr("ldm_scaling.cells.sweep.BATCH", 32)
    with WorkDir(tmp_path, "cell") as work, pytest.raises(SliceEnded):
        sample_cell(sampler, FLAT, CELL, work, EndsAtOnce())
    with WorkDir(tmp_path, "cell") as work:
        state = sample_cell(sampler, FLAT, CELL, work, Slice(None), batch=8)
    found = record(CELL, state)
    assert found["batch"] == 16, "32 did not fit; the rest, 8 at a time, took less"
    assert found["memory_gb"] == 1.6
    assert len(state.features) == CELL.n


def no_memory(*_):
    """Stands for what takes more memory than there is."""
    raise torch.OutOfMemoryError


def test_a_cell_without_memory_is_sampled_on_where_there_is_more(sampler, tmp_path, monkeypatch):
    monkeypatch.setattr("ldm_scaling.cells.sweep.BATCH", 32)
    with WorkDir(tmp_path / "whole", "cell") as work:
        whole = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    with WorkDir(tmp_path, "cell") as work, pytest.raises(SliceEnded):
        sample_cell(sampler, FLAT, CELL, work, EndsAtOnce())
    enough = sampler.images
    monkeypatch.setattr(sampler, "images", no_memory)
    with WorkDir(tmp_path, "cell") as work:
        failed = sample_cell(sampler, FLAT, CELL, work, Slice(None))
        assert record(CELL, failed)["status"] == "out_of_memory"
        work.save(33, failed.write)  # as older versions did
    sampled = []
    monkeypatch.setattr(sampler, "images", lambda *own: sampled.append(own[1]) or enough(*own))
    with WorkDir(tmp_path, "cell") as work:
        state = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    assert record(CELL, state)["status"] == "ok"
    assert np.array_equal(state.features, whole.features)
    assert sampled == [range(32, 64), range(64, 70)], "what there was is kept"


def test_fewer_images_are_measured_at_a_time_where_memory_does_not_suffice(sampler, tmp_path):
    class Narrow(Flat):
        def __call__(self, images):
            return super().__call__(images) if len(images) <= 20 else no_memory()

    with WorkDir(tmp_path / "whole", "cell") as work:
        whole = sample_cell(sampler, FLAT, CELL, work, Slice(None), batch=16)
    with WorkDir(tmp_path, "narrow") as work:
        narrow = Measuring({"features": Narrow()})
        state = sample_cell(sampler, narrow, CELL, work, Slice(None), batch=32)
    assert np.array_equal(state.features, whole.features)
    with WorkDir(tmp_path, "none") as work:
        none = Measuring({"features": no_memory})
        state = sample_cell(sampler, none, CELL, work, Slice(None), batch=32)
    found = record(CELL, state)
    assert (found["status"], len(state.features)) == ("out_of_memory", 0)


def test_a_processor_leaves_no_memory_in_the_record(sampler, tmp_path):
    with WorkDir(tmp_path, "cell") as work:
        found = record(CELL, sample_cell(sampler, FLAT, CELL, work, Slice(None)))
    assert not {"memory_gb", "batch"} & set(found)


def test_a_finished_cell_is_not_sampled_again(sampler, tmp_path, monkeypatch):
    with WorkDir(tmp_path, "cell") as work:
        first = sample_cell(sampler, FLAT, CELL, work, Slice(None))
        monkeypatch.setattr(sampler, "images", None)
        second = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    assert record(CELL, second)["status"] == "ok"
    assert np.array_equal(first.features, second.features)


def test_a_diverged_cell_is_a_status_and_is_not_sampled_again(sampler, tmp_path, monkeypatch):
    monkeypatch.setattr("ldm_scaling.cells.sweep.BATCH", 32)
    healthy = sampler.images

    def diverges(cell, rows):
        images, _ = healthy(cell, rows)
        return images, rows.start == 0

    monkeypatch.setattr(sampler, "images", diverges)
    with WorkDir(tmp_path, "cell") as work:
        state = sample_cell(sampler, FLAT, CELL, work, Slice(None))
        monkeypatch.setattr(sampler, "images", None)
        again = sample_cell(sampler, FLAT, CELL, work, Slice(None))
    assert record(CELL, state)["status"] == record(CELL, again)["status"] == "diverged"
    assert record(CELL, state)["seconds"] == pytest.approx(state.seconds / 64, rel=1e-3)
    assert len(state.features) == 32


@pytest.mark.parametrize("part", ["network", "autoencoder"])
def test_numbers_that_are_not_finite_are_noticed(sampler, part, monkeypatch):
    network = copy.deepcopy(getattr(sampler, part))
    for parameter in network.parameters():
        parameter.mul_(torch.nan)
    monkeypatch.setattr(sampler, part, network)
    _, finite = sampler.images(CELL, range(2))
    assert not finite


def test_sheet_holds_every_image(pocket_config):
    images = np.random.default_rng(0).integers(0, 255, (9, 3, 16, 16), dtype=np.uint8)
    sheet = np.asarray(draw_sheet(images, ["a caption"] * 9))
    for image in images:
        corner = image[:, 0, 0]
        assert (sheet == corner).all(axis=2).any()
    study = load_study(pocket_config)
    assert study.sampling.n > SHEET_IMAGES
    assert CELL.name == "steps3_guidance2.5"


def test_a_truncated_model_is_named(networks, tmp_path):
    save_model(networks[0], tmp_path / "unet", "diffusion_pytorch_model.safetensors")
    assert load_unet(tmp_path).config.in_channels == 4
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load_unet(tmp_path)
    assert "\n" not in str(error.value)


def test_the_command_measures_with_downloaded_networks(networks, tmp_path, monkeypatch):
    unet, autoencoder, encoder = networks
    for model, folder in ((unet, "model/unet"), (autoencoder, "ae")):
        save_model(model, tmp_path / folder, "diffusion_pytorch_model.safetensors")
    text = {"text": encoder(CAPTIONS).half().numpy(), "empty": encoder([""])[0].half().numpy()}
    write_arrays(tmp_path / "text", text, "abc")
    captions = "\n".join(["caption", *(f'"{caption}"' for caption in CAPTIONS)])
    (tmp_path / "test.csv").write_text(captions + "\n")
    clip = Scorer(name="clip_score", pretrained=str(stand_ins.clip(tmp_path / "clip")))
    effnet, inception = (
        FeatureNetwork(name=name, input_size=side)
        for name, side in (("effnet_lite0", 32), ("inception_v3", 299))
    )
    changes = {"n": 3, "extractors": [inception, effnet], "scorers": [clip]}
    spec = SweepSpec(
        diffusion=Diffusion(prediction="v_prediction"), cells=[CELL.model_copy(update=changes)]
    )
    paths = {"model": "model", "autoencoder": "ae", "text": "text", "captions": "test.csv"}
    words = [f"--{name}={tmp_path / path}" for name, path in paths.items()]
    words += [f"--weights={stand_ins.inception(tmp_path)}", f"--out={tmp_path / 'out'}"]
    words += ["--spec", spec.model_dump_json(), f"--work-dir={tmp_path / 'work'}"]
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    run(sweep.main)
    file, name = tmp_path / "out/features.safetensors", CELL.name
    images = map_array(tmp_path / "out/images.safetensors", name)
    weights = tmp_path / "inception-2015-12-05.pt"
    for array, own in ((name, inception), (f"{name}/effnet_lite0", effnet)):
        extractor = load_extractor(own, file=weights)
        np.testing.assert_allclose(map_array(file, array), extractor(images), rtol=2e-3, atol=2e-3)
    cosines = CaptionScorer(clip, CAPTIONS)(images, slice(0, 3))
    np.testing.assert_allclose(map_array(file, f"{name}/clip_score"), cosines, atol=1e-6)


def test_kept_checkpoints_are_sampled_as_models_of_their_own(networks, tmp_path, monkeypatch):
    unet, autoencoder, encoder = networks
    earlier = copy.deepcopy(unet)
    for parameter in earlier.parameters():
        parameter.mul_(1.25)
    for model, folder in ((unet, "model/unet"), (earlier, "earlier/unet"), (autoencoder, "ae")):
        save_model(model, tmp_path / folder, "diffusion_pytorch_model.safetensors")
    kept = {"0.25": earlier, "0.5": unet}
    weights = {f"{f}/{k}": v.numpy() for f, m in kept.items() for k, v in m.state_dict().items()}
    write_arrays(tmp_path / "model/kept.safetensors", weights, "abc")
    text = {"text": encoder(CAPTIONS).half().numpy(), "empty": encoder([""])[0].half().numpy()}
    write_arrays(tmp_path / "text", text, "abc")
    cells = {
        name: [CELL.model_copy(update={"n": 3, "trained": f}) for f in fractions]
        for name, fractions in {"model": [None, 0.25, 0.5], "earlier": [None]}.items()
    }
    for name in cells:
        spec = SweepSpec(diffusion=Diffusion(prediction="v_prediction"), cells=cells[name])
        paths = {"model": name, "autoencoder": "ae", "text": "text", "out": f"{name}/out"}
        words = [f"--{option}={tmp_path / path}" for option, path in paths.items()]
        words += ["--spec", spec.model_dump_json(), f"--work-dir={tmp_path / name / 'work'}"]
        monkeypatch.setattr(sys, "argv", ["sweep", *words])
        run(sweep.main)
    whole = CELL.name
    for file in ("features.safetensors", "images.safetensors"):
        of_model = {
            cell.trained: map_array(tmp_path / "model/out" / file, cell.name).tobytes()
            for cell in cells["model"]
        }
        of_earlier = map_array(tmp_path / "earlier/out" / file, whole).tobytes()
        assert of_model[0.25] == of_earlier != of_model[None] == of_model[0.5]
    records = json.loads((tmp_path / "model/out/cells.json").read_text())
    assert [(record["name"], record["trained"]) for record in records] == [
        (whole, 1.0),
        (f"{whole}_trained0.25", 0.25),
        (f"{whole}_trained0.5", 0.5),
    ]


def test_a_fraction_that_was_not_kept_is_one_line(networks, tmp_path):
    save_model(networks[0], tmp_path / "unet", "diffusion_pytorch_model.safetensors")
    write_arrays(tmp_path / "kept.safetensors", {}, "abc")
    with pytest.raises(InputError, match="cannot be loaded") as error:
        load_unet(tmp_path, 0.25)
    assert "\n" not in str(error.value)
