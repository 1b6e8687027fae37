"""FID against clean-fid's own path from image files to the distance, on a stand-in network."""

import json
import sys

import networks
import numpy as np
import pytest
from cleanfid.fid import frechet_distance, get_files_features
from cleanfid.inception_torchscript import InceptionV3W
from PIL import Image

from ldm_scaling.cells import features as command
from ldm_scaling.cells.comparison import Prompts, compare, prepare
from ldm_scaling.cells.features import load_extractor
from ldm_scaling.cells.measure import read_features
from ldm_scaling.cells.metrics.bootstrap import resample_counts
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.cells.metrics.frechet import statistics
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.study.metrics import FeatureNetwork

pytestmark = pytest.mark.filterwarnings("ignore")  # of clean-fid and of TorchScript
INCEPTION = FeatureNetwork(name="inception_v3", input_size=299)
SPEC = json.dumps({"extractors": [INCEPTION.model_dump()]})


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return networks.inception(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def extract(weights, monkeypatch, tmp_path):
    """Features of images by the command, as they stand in its file."""

    def call(images, *arguments):
        write_arrays(tmp_path / "images", {"images": images}, "abc")
        paths = ("--images", tmp_path / "images", "--out", tmp_path / "out")
        words = ["features", "--spec", SPEC, *paths, *arguments]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        run(command.main)
        return read_features(tmp_path / "out")

    return call


def pictures(seed, n=40):
    """Smooth random images, in a colour that depends on the seed."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (n, 3, 4, 4)) * (1 - 0.2 * seed)
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


def by_cleanfid(images, folder, weights):
    """clean-fid's features of the same images as PNG files."""
    folder.mkdir()
    files = [folder / f"{number:03}.png" for number in range(len(images))]
    for image, path in zip(images, files, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    network = InceptionV3W(str(weights.parent), download=False)
    return get_files_features(
        files, network, num_workers=0, batch_size=16, device="cpu", mode="clean", verbose=False
    )


def test_features_are_cleanfids(weights, tmp_path):
    images = pictures(0, 20)
    ours = load_extractor(INCEPTION, file=weights)(images)
    theirs = by_cleanfid(images, tmp_path / "png", weights)
    assert ours.shape == theirs.shape == (20, 2048)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert theirs[:, : networks.USED].std(axis=0).min() > 0.1


def test_fid_is_cleanfids(weights, extract, tmp_path):
    generated, real = pictures(0), pictures(1)
    theirs = [
        by_cleanfid(images, tmp_path / name, weights)[:, : networks.USED].astype(np.float64)
        for name, images in (("generated", generated), ("real", real))
    ]
    expected = frechet_distance(*statistics(theirs[0]), *statistics(theirs[1]))
    ours = [extract(images, "--weights", weights) for images in (generated, real)]
    assert all((features[:, networks.USED :].std(axis=0) == 0).all() for features in ours)
    ours = [features[:, : networks.USED] for features in ours]  # the rest is constant
    concepts = [str(row) for row in range(40)]
    prompts = Prompts(concepts, resample_counts(concepts, 10, 0), Divisions(concepts, 0))
    results = compare(ours[0], prepare(ours[1], None, prompts), "inception_v3", prompts, 0.95)
    assert list(results)[:3] == ["fid", "fid_infinity", "kid_inception_v3"]
    # what is left is the rounding of the kept features to 16 bits
    assert results["fid"].value == pytest.approx(expected, rel=1e-3)
    assert results["fid"].lo < results["fid"].value < results["fid"].hi
    assert expected > 1


def test_features_do_not_depend_on_the_batch(weights):
    extractor, images = load_extractor(INCEPTION, file=weights), pictures(0, 5)
    together = extractor(images)
    for number in range(5):
        alone = extractor(images[number : number + 1])[0]
        np.testing.assert_allclose(alone, together[number], atol=1e-4)


def test_loading_is_silent(weights, capfd):
    load_extractor(INCEPTION, file=weights)
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_says_how_to_get_it(tmp_path):
    missing = tmp_path / "none.pt"
    with pytest.raises(InputError, match=r"none\.pt is missing; run: snakemake --cores 1 prefetch"):
        load_extractor(INCEPTION, file=missing)
    with pytest.raises(InputError, match="inception_v3 needs --weights FILE"):
        load_extractor(INCEPTION)


def test_another_file_is_named(tmp_path, extract, capsys):
    (tmp_path / "torn.pt").write_bytes(b"PK and no more")
    with pytest.raises(SystemExit) as stopped:
        extract(pictures(0, 2), "--weights", tmp_path / "torn.pt")
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "torn.pt is not clean-fid's network" in error and error.count("\n") == 1
