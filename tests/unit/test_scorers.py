"""Scores against the libraries' own calls on the same images and captions."""

import json

import networks
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from ldm_scaling.cells.scores import BATCH, CaptionScorer, scorer_module
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.models.architectures.counting import count_flops
from ldm_scaling.study.metrics import Scorer

CAPTIONS = ["grinning cat", "a flag: Peru, 3d style", "", "a very long caption " * 60, "wolf"]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 48, 48), dtype=np.uint8)


def of_clip(folder):
    return Scorer(name="clip_score", pretrained=str(folder))


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
    scores = CaptionScorer(of_clip(folder), CAPTIONS)(IMAGES, slice(0, 5))
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
        CaptionScorer(of_clip(path), CAPTIONS)(IMAGES, slice(0, 5)) for path in (folder, other)
    )
    assert np.abs(first - second).max() > 1e-3


def test_a_score_depends_on_its_image_and_caption_alone(folder):
    n = BATCH + 3
    images = np.concatenate([IMAGES] * 14)[:n]
    captions = (CAPTIONS * 14)[:n]
    score = CaptionScorer(of_clip(folder), captions)
    whole = score(images, slice(0, n))
    for rows in (slice(0, 1), slice(3, 40), slice(n - 1, n)):
        np.testing.assert_allclose(score(images[rows], rows), whole[rows], atol=1e-6)
    np.testing.assert_allclose(whole[:5], whole[5:10], atol=1e-6)
    swapped = score(images[:1], slice(1, 2))
    assert abs(swapped[0] - whole[0]) > 1e-3


def test_files_of_a_hub_id_are_where_prefetch_puts_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = Scorer(name="clip_score", pretrained="some/model", revision="a1" * 20)
    networks.clip(clip.folder)
    with pytest.raises(
        InputError, match=r"clip_score some/model: .* is not in resources/hub; run: snakem"
    ):
        CaptionScorer(clip, CAPTIONS)
    (clip.folder / "prefetched.json").touch()
    assert clip.folder.parts == ("resources", "hub", "models", "some--model", "a1" * 20)
    assert len(CaptionScorer(clip, CAPTIONS)(IMAGES, slice(0, 5))) == 5


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = networks.clip(tmp_path / "clip")
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"{missing} is missing"):
        CaptionScorer(of_clip(folder), CAPTIONS)


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
    with pytest.raises(
        InputError, match=r"metrics\.scorers: clip_score: .* cannot be loaded"
    ) as error:
        CaptionScorer(of_clip(folder), CAPTIONS)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------ human preference


@pytest.fixture(scope="module")
def preference(tmp_path_factory):
    """A small random model as PickScore's is kept, and its folder."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 2}
    config = CLIPConfig(
        text_config=shape,
        vision_config=shape | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("preference")
    model.save_pretrained(folder)
    return model, str(folder)


def scores_by_transformers(model, images, captions):
    """What its documentation says: logits of each image with its own caption."""
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    pixels = processor(list(torch.from_numpy(images)), return_tensors="pt").pixel_values
    tokens = open_clip.SimpleTokenizer()(captions)
    with torch.no_grad():
        return model(input_ids=tokens, pixel_values=pixels).logits_per_image.diagonal().numpy()


def test_pickscore_is_the_logit_and_hps_its_cosine(preference):
    model, folder = preference
    expected = scores_by_transformers(model, IMAGES, CAPTIONS)
    found = {
        name: CaptionScorer(Scorer(name=name, pretrained=folder), CAPTIONS)(IMAGES, slice(0, 5))
        for name in ("pickscore", "hps")
    }
    scale = model.logit_scale.exp().item()
    # the processor and OpenCLIP round resized pixels to 8 bits in different ways
    np.testing.assert_allclose(found["pickscore"], expected, atol=0.02 * scale)
    np.testing.assert_allclose(found["hps"] * scale, found["pickscore"], rtol=1e-5)
    assert np.ptp(found["hps"]) > 0.1
    one = CaptionScorer(Scorer(name="hps", pretrained=folder), CAPTIONS[2:3])
    np.testing.assert_allclose(one(IMAGES[2:3], slice(0, 1)), found["hps"][2:3], atol=1e-6)


def test_a_preference_model_is_counted_as_its_folder_says(preference, tmp_path):
    _, folder = preference

    def flops(pretrained):
        scorer = Scorer(name="pickscore", pretrained=pretrained)
        return [count_flops(call) for call in scorer_module("pickscore").untrained(scorer)]

    image, caption = flops(folder)
    tokens, width, layers = (32 // 8) ** 2 + 1, 32, 2
    layer = 2 * tokens * (4 * width**2 + 2 * width * 64) + 4 * tokens**2 * width
    patches, head = 2 * 16 * (3 * 8**2) * width, 2 * width * 16
    assert image == pytest.approx(layers * layer + patches + head, rel=1e-6)
    assert caption > 0
    # ViT-H/14 at 224 pixels: 256 patches and the class token, 32 layers of width 1280
    image, _ = flops("yuvalkirstain/PickScore_v1")
    layer = 2 * 257 * 12 * 1280**2 + 4 * 257**2 * 1280
    patches, head = 2 * 256 * (3 * 14**2) * 1280, 2 * 1280 * 1024
    assert image == pytest.approx(32 * layer + patches + head, rel=1e-6)
