"""Cells: sampled and measured, continued, with little memory, and as the command does it."""

import copy
import json
import sys

import networks as stand_ins
import numpy as np
import pytest
import torch
from sampled import CAPTIONS, CELL, latent_sampler, untrained

from ldm_scaling.cells import sweep
from ldm_scaling.cells.features import Measuring, load_extractor
from ldm_scaling.cells.scores import CaptionScorer
from ldm_scaling.cells.sheet import draw_sheet
from ldm_scaling.cells.sweep import SHEET_IMAGES, record, sample_cell
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import Slice, SliceEnded, run
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.load import load_study
from ldm_scaling.study.metrics import FeatureNetwork, Scorer
from ldm_scaling.workflow.specs.cells import SweepSpec


@pytest.fixture
def networks():
    return untrained()


@pytest.fixture
def sampler():
    return latent_sampler()


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


def test_sheet_holds_every_image(pocket_config):
    images = np.random.default_rng(0).integers(0, 255, (9, 3, 16, 16), dtype=np.uint8)
    sheet = np.asarray(draw_sheet(images, ["a caption"] * 9))
    for image in images:
        corner = image[:, 0, 0]
        assert (sheet == corner).all(axis=2).any()
    study = load_study(pocket_config)
    assert study.sampling.n > SHEET_IMAGES
    assert CELL.name == "steps3_guidance2.5"


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
