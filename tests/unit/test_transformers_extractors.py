"""DINOv2 and CLIP as extractors, and CMMD, against transformers' own calls and by hand."""

import copy
import json

import numpy as np
import pytest
import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
)

from ldm_scaling.cells.comparison import Prompts, prepare
from ldm_scaling.cells.features import extractor_module, load_extractor
from ldm_scaling.cells.metrics import cmmd
from ldm_scaling.cells.metrics.bootstrap import resample_counts
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.costs.seen import count_seeing
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.models.architectures.counting import count_flops
from ldm_scaling.study.metrics import FeatureNetwork
from ldm_scaling.workflow.specs.seen import SeenBy

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14}


def networks():
    """Small random networks of the real classes, by the extractor's name."""
    torch.manual_seed(0)
    clip = CLIPVisionConfig(**SHAPE, intermediate_size=64, image_size=56, projection_dim=8)
    return {
        "dinov2": Dinov2Model(Dinov2Config(**SHAPE, image_size=518)).eval(),
        "clip": CLIPVisionModelWithProjection(clip).eval(),
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each network with its extractor as a study names it."""
    found = {}
    for name, network in networks().items():
        folder = tmp_path_factory.mktemp(name)
        network.save_pretrained(folder)
        side = 224 if name == "dinov2" else 56
        own = FeatureNetwork(name=name, input_size=side, pretrained=str(folder))
        found[name] = network, own
    return found


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_features_are_the_librarys_own(saved, name):
    network, own = saved[name]
    side = own.input_size  # no resizing, so that both see the same pixels
    images = np.random.default_rng(0).integers(0, 256, (3, 3, side, side), dtype=np.uint8)
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    processor = CLIPImageProcessor(
        do_resize=False, do_center_crop=False, **(imagenet if name == "dinov2" else {})
    )
    pixels = processor(list(torch.from_numpy(images)), return_tensors="pt").pixel_values
    with torch.no_grad():
        outputs = network(pixels)
    if name == "dinov2":
        expected = outputs.last_hidden_state[:, 0].numpy()
    else:
        expected = outputs.image_embeds.numpy()
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = load_extractor(own)(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(load_extractor(own)(images[1:2])[0], found[1], atol=1e-5)


def test_published_networks_have_their_published_sizes():
    def named(name, side):
        own = FeatureNetwork(name=name, input_size=side, pretrained="ORG/not-there")
        return extractor_module(name).untrained(own)

    dino = named("dinov2", 224)
    pixels = torch.empty(1, 3, 224, 224, device="meta")
    # 304 M parameters (Oquab et al. 2023, table 17); 24 layers of 257 tokens
    layer = 2 * 257 * 12 * 1024**2 + 4 * 257**2 * 1024
    assert count_flops(lambda: dino(pixels)) == pytest.approx(24 * layer, rel=0.005)
    for side, tokens in ((336, 577), (224, 257)):
        clip, pixels = named("clip", side), torch.empty(1, 3, side, side, device="meta")
        layer = 2 * tokens * 12 * 1024**2 + 4 * tokens**2 * 1024
        flops = count_flops(lambda clip=clip, pixels=pixels: clip(pixels))
        assert flops == pytest.approx(24 * layer, rel=0.005)
        assert clip(pixels).shape == (1, 768)


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_a_folder_that_is_there_is_counted_as_it_is(saved, name):
    network, own = saved[name]
    pixels = torch.empty(1, 3, own.input_size, own.input_size)
    spec = SeenBy(extractors=[own])
    found = count_seeing(spec).extractors[name]
    seen = copy.deepcopy(network).to("meta")
    assert found.flops == count_flops(lambda: seen(pixels.to("meta")))
    assert found.width == (32 if name == "dinov2" else 8)


def test_another_side_than_clips_own_is_one_line(saved):
    _, own = saved["clip"]
    other = own.model_copy(update={"input_size": 224})
    message = "clip: input_size is 224, but the network takes 56 pixels; set 56"
    with pytest.raises(InputError, match=message):
        count_seeing(SeenBy(extractors=[other]))
    with pytest.raises(InputError, match=message):
        load_extractor(other)(np.zeros((1, 3, 32, 32), np.uint8))


def test_a_torn_configuration_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    torn = FeatureNetwork(name="dinov2", input_size=224, pretrained=str(tmp_path))
    with pytest.raises(InputError, match=r"dinov2: .*config\.json cannot be read") as error:
        count_seeing(SeenBy(extractors=[torn]))
    assert "\n" not in str(error.value)


def test_an_unusable_folder_is_one_line(saved, tmp_path):
    _, own = saved["clip"]
    missing = own.model_copy(update={"pretrained": str(tmp_path)})
    with pytest.raises(InputError, match=r"metrics\.extractors: clip: .*config\.json is missing"):
        load_extractor(missing)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(
        InputError, match=r"metrics\.extractors: clip: .* cannot be loaded"
    ) as error:
        load_extractor(missing)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------ CMMD


def units(n, shift=0.0, seed=0):
    """Random unit vectors [n, 6] around a direction."""
    found = np.random.default_rng(seed).normal(size=(n, 6)) + shift
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def by_hand(x, y):
    """Jayasumana et al. 2024, equation 5, pair by pair, those of one image included."""

    def mean(a, b):
        return np.mean([[np.exp(-((p - q) ** 2).sum() / 200) for q in b] for p in a])

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def prompts(n, every, replicates=400):
    concepts = [str(row) for row in range(every)]
    counts = resample_counts(concepts, replicates, 0)
    own = Prompts(concepts[:n], counts[:, :n], Divisions(concepts[:n], 0))
    return own, Prompts(concepts, counts, Divisions(concepts, 0))


def test_cmmd_is_the_mean_over_pairs(monkeypatch):
    x, y = units(30, 0.4), units(40, seed=1)
    monkeypatch.setattr(cmmd, "BLOCK", 7)
    own, every = prompts(30, 40)
    reference = prepare(y, None, every)
    found = cmmd.interval(x, reference, own, 0.95)
    assert found.value == pytest.approx(by_hand(x, y), rel=1e-9)
    assert cmmd.value(x, reference) == pytest.approx(found.value, rel=1e-9)
    assert cmmd.value(y, reference) == pytest.approx(0, abs=1e-9)
    assert found.lo < found.value < found.hi


def test_the_interval_of_cmmd_covers_the_truth():
    """Samples of two populations whose CMMD is known from many images."""
    far, near = units(4000, 0.4, seed=5), units(4000, seed=6)
    truth = cmmd.value(far, prepare(near, None))
    own, every = prompts(80, 80, replicates=20)
    held, biased = 0, []
    for seed in range(60):
        random = np.random.default_rng(100 + seed)
        x, y = (p[random.choice(len(p), 80, replace=False)] for p in (far, near))
        found = cmmd.interval(x, prepare(y, None, every), own, 0.95)
        held += found.lo <= truth <= found.hi
        biased.append(found.value)
    assert held >= 52  # of 60; 0.95 of them less three standard deviations
    assert np.mean(biased) == pytest.approx(truth, rel=0.15)
