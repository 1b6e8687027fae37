"""The CLIP score against OpenCLIP's own calls on the same images and captions."""

import json

import networks
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from ldm_scaling.cells.metrics.clip_score import BATCH, ClipScore
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.study.metrics import Clip

CAPTIONS = ["grinning cat", "a flag: Peru, 3d style", "", "a very long caption " * 60, "wolf"]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return networks.clip(tmp_path_factory.mktemp("clip"))


def cosines_by_open_clip(folder, images, captions):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    shown = [preprocess(Image.fromarray(image.transpose(1, 2, 0))) for image in images]
    with torch.no_grad():
        images = model.eval().encode_image(torch.stack(shown))
        texts = model.encode_text(tokenizer(captions))
    return torch.nn.functional.cosine_similarity(images, texts).numpy()


def test_scores_are_open_clips_cosines(folder):
    scores = ClipScore(Clip(pretrained=str(folder)), CAPTIONS)(IMAGES, slice(0, 5))
    expected = cosines_by_open_clip(folder, IMAGES, CAPTIONS)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert scores.dtype == np.float32 and scores.shape == (5,)
    assert np.ptp(scores) > 0.05 and (scores < 0).any(), "as cosines are: not cut, not scaled"


def test_images_are_normalized_as_the_models_configuration_says(folder, tmp_path):
    other = networks.clip(tmp_path / "other")
    config = json.loads((other / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.1, 0.9, 0.1]
    (other / "open_clip_config.json").write_text(json.dumps(config))
    first, second = (
        ClipScore(Clip(pretrained=str(path)), CAPTIONS)(IMAGES, slice(0, 5))
        for path in (folder, other)
    )
    assert np.abs(first - second).max() > 1e-3


def test_a_score_depends_on_its_image_and_caption_alone(folder):
    n = BATCH + 3
    images = np.concatenate([IMAGES] * 14)[:n]
    captions = (CAPTIONS * 14)[:n]
    score = ClipScore(Clip(pretrained=str(folder)), captions)
    whole = score(images, slice(0, n))
    for rows in (slice(0, 1), slice(3, 40), slice(n - 1, n)):
        np.testing.assert_allclose(score(images[rows], rows), whole[rows], atol=1e-6)
    np.testing.assert_allclose(whole[:5], whole[5:10], atol=1e-6)
    swapped = score(images[:1], slice(1, 2))
    assert abs(swapped[0] - whole[0]) > 1e-3


def test_files_of_a_hub_id_are_where_prefetch_puts_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = Clip(pretrained="some/model", revision="a1" * 20)
    networks.clip(clip.folder)
    with pytest.raises(
        InputError, match=r"metrics\.clip some/model: .* is not in resources/hub; run: snakem"
    ):
        ClipScore(clip, CAPTIONS)
    (clip.folder / "prefetched.json").touch()
    assert clip.folder.parts == ("resources", "hub", "models", "some--model", "a1" * 20)
    assert len(ClipScore(clip, CAPTIONS)(IMAGES, slice(0, 5))) == 5


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = networks.clip(tmp_path / "clip")
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"{missing} is missing"):
        ClipScore(Clip(pretrained=str(folder)), CAPTIONS)


def _truncate(folder):
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _another_width(folder):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 8
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def _no_config(folder):
    (folder / "open_clip_config.json").write_text("{}")


@pytest.mark.parametrize("spoil", [_truncate, _another_width, _no_config])
def test_an_unusable_model_is_one_line(tmp_path, spoil):
    folder = networks.clip(tmp_path / "clip")
    spoil(folder)
    with pytest.raises(InputError, match=r"metrics\.clip: .* no model that OpenCLIP") as error:
        ClipScore(Clip(pretrained=str(folder)), CAPTIONS)
    assert "\n" not in str(error.value)
