"""Low-resolution images: drawn for each image by itself, and what each part of it does."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from ldm_scaling.data import crop_photos, degrade
from ldm_scaling.data.degrade import FILTERS, enlarged, gaussian_kernel, resized
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import run
from ldm_scaling.study.superres import Degradation

NOTHING = {"blur": 0, "sigma": [1, 1], "anisotropic": 0, "resize": [1, 1], "shot": 0}
NOTHING |= {"noise": [0, 0], "shot_noise": [0, 0], "gray": 0, "jpeg": [100, 100]}
SOME = {"blur": 1, "sigma": [0.3, 0.8], "anisotropic": 0.5, "resize": [0.6, 1.2], "shot": 0.5}
SOME |= {"noise": [1, 6], "shot_noise": [0.1, 0.5], "gray": 0.4, "jpeg": [60, 95]}


def settings(first=NOTHING, second=NOTHING, **both):
    return Degradation(first=first | both, second=second | both)


def smooth(count=1, side=32, seed=0):
    """Images without fine detail."""
    coarse = np.random.default_rng(seed).uniform(40, 215, (count, 3, 4, 4))
    grown = [resized(image, side, FILTERS[2]) for image in coarse]
    return np.stack(grown).round().clip(0, 255).astype(np.uint8)


def drawn(settings, image, seed=0):
    return degrade.degrade(image, settings, np.random.default_rng(seed)).astype(float)


# ------------------------------------------------------------ the parts


@pytest.mark.parametrize("sigmas", [(0.9, 0.9), (1.5, 0.8)])
def test_a_kernels_moments_are_those_of_the_gaussian(sigmas):
    angle = 0.6
    kernel = gaussian_kernel(sigmas, angle)
    half = len(kernel) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    assert kernel.sum() == pytest.approx(1)
    for sigma, turned in zip(sigmas, (angle, angle + np.pi / 2), strict=True):
        along = x * np.cos(turned) + y * np.sin(turned)
        assert (kernel * along).sum() == pytest.approx(0, abs=1e-12)
        assert (kernel * along**2).sum() == pytest.approx(sigma**2, rel=0.04)


def test_without_disturbances_only_the_resizing_is_left():
    image = smooth()[0]
    found = drawn(settings(), image)
    plain = [resized(image, 8, kind) for kind in FILTERS]
    assert min(np.abs(found - one).max() for one in plain) < 6  # two JPEGs of quality 100
    low = np.asarray(found, np.uint8)
    bigger = Image.fromarray(low.transpose(1, 2, 0)).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(enlarged(low), np.asarray(bigger).transpose(2, 0, 1))


def test_gaussian_noise_has_its_deviation_and_gray_noise_no_colour():
    image = np.full((3, 128, 128), 128.0)
    noise = degrade._noisy(image, settings(noise=[9, 9]).first, np.random.default_rng(0))
    assert (noise - image).std() == pytest.approx(9, rel=0.02)
    gray = degrade._noisy(image, settings(noise=[9, 9], gray=1).first, np.random.default_rng(0))
    assert np.allclose(gray[0], gray[1]) and not np.allclose(noise[0], noise[1])


def test_shot_noise_grows_with_the_root_of_the_light():
    dark, bright = (
        degrade._noisy(
            np.full((3, 128, 128), light),
            settings(shot=1, shot_noise=[0.5, 0.5]).first,
            np.random.default_rng(0),
        )
        for light in (16.0, 196.0)
    )
    assert dark.std() == pytest.approx(0.5 * 4, rel=0.03)
    assert bright.std() == pytest.approx(0.5 * 14, rel=0.03)


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ({"blur": 1, "sigma": [0.3, 0.3]}, {"blur": 1, "sigma": [3, 3]}),
        ({"noise": [2, 2]}, {"noise": [20, 20]}),
        ({"jpeg": [95, 95]}, {"jpeg": [10, 10]}),
        ({"resize": [1, 1]}, {"resize": [0.15, 0.15]}),
    ],
)
def test_more_of_a_disturbance_is_further_from_the_image(weak, strong):
    images = smooth(8, side=64, seed=1)
    plain = [drawn(settings(), image, seed) for seed, image in enumerate(images)]

    def distance(changed):
        found = [drawn(settings(**changed), image, seed) for seed, image in enumerate(images)]
        return np.mean([np.abs(a - b).mean() for a, b in zip(found, plain, strict=True)])

    assert distance(strong) > 2 * distance(weak)


# ------------------------------------------------------------ the command


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command on images; the file that it writes."""

    def call(name="out", images=None, workers=1, **spec):
        if images is not None:
            write_arrays(tmp_path / "images", {"images": images}, "abc")
        spec = {"seed": 3, "split": "train", "count": None} | spec
        spec["degradation"] = {"first": SOME, "second": SOME}
        words = ["degrade", "--spec", json.dumps(spec), "--images", tmp_path / "images"]
        words += ["--out", tmp_path / name, "--workers", workers]
        words += ["--work-dir", tmp_path / f"work-{name}"]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        run(degrade.main)
        return tmp_path / name

    return call


def test_any_number_of_workers_gives_the_same_bytes(command):
    images = smooth(70)
    one = command("one", images).read_bytes()
    assert command("three", workers=3).read_bytes() == one
    assert command("other", seed=4).read_bytes() != one
    low = map_array(command("one"), "low")
    assert low.shape == (70, 3, 8, 8) and map_array(command("one"), "images").shape[1:] == (
        3,
        32,
        32,
    )
    assert np.array_equal(map_array(command("one"), "images")[5], enlarged(np.array(low[5])))


def test_an_images_draw_depends_on_its_number_and_split_alone(command):
    image = smooth(1)
    low = map_array(command("all", np.repeat(image, 4, axis=0)), "low")
    assert len({one.tobytes() for one in low}) == 4
    first = map_array(command("first", count=2), "low")
    assert np.array_equal(first, low[:2])
    assert not np.array_equal(map_array(command("held", split="validation"), "low"), low)


def test_too_few_images_are_one_line(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        command("out", smooth(3), count=5)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("images has 3 images, fewer than superres.n (5)")


# ------------------------------------------------------------ photographs


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    pixels = {}
    for number, name in enumerate(("b.png", "more/a.png", "c.PNG")):
        shape = (40 + number, 50, 3)
        pixels[name] = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels[name]).save(folder / name)
    (folder / "note.txt").write_text("no photograph")
    return folder, pixels


def cut(folder, tmp_path, monkeypatch, seed=0, patches=8, **keys):
    keys |= {"path": str(folder), "patches": patches}
    spec = {"seed": seed, "image_size": 32, "photos": keys}
    words = [
        "crop_photos",
        "--spec",
        json.dumps(spec),
        "--out",
        str(tmp_path / "crops.safetensors"),
    ]
    monkeypatch.setattr(sys, "argv", words)
    run(crop_photos.main)
    return np.array(map_array(tmp_path / "crops.safetensors", "images"))


def test_crops_are_squares_of_the_photographs_in_turn(photos, tmp_path, monkeypatch):
    folder, pixels = photos
    found = cut(folder, tmp_path, monkeypatch)
    names = [row.split(",")[1] for row in (tmp_path / "crops.csv").read_text().splitlines()[1:]]
    assert names == (["b.png", "c.PNG", "more/a.png"] * 3)[:8]
    for image, name in zip(found, names, strict=True):
        photo = pixels[name].transpose(2, 0, 1)
        windows = np.lib.stride_tricks.sliding_window_view(photo, (3, 32, 32))[0]
        assert (windows == image).all(axis=(2, 3, 4)).sum() == 1
    assert np.array_equal(cut(folder, tmp_path, monkeypatch), found)
    assert np.array_equal(cut(folder, tmp_path, monkeypatch, patches=5), found[:5])
    assert not np.array_equal(cut(folder, tmp_path, monkeypatch, seed=1), found)


def test_large_photographs_are_shrunk_before_they_are_cut(photos, tmp_path, monkeypatch):
    folder, _ = photos
    plain = cut(folder, tmp_path, monkeypatch)
    assert np.array_equal(cut(folder, tmp_path, monkeypatch, side=42), plain)  # none is larger
    shades = np.linspace(0, 255, 128).astype(np.uint8)
    Image.fromarray(np.repeat(shades[:, None], 256, axis=1)).save(folder / "d.png")
    (large,) = cut(folder, tmp_path, monkeypatch, side=32)[[2]]
    steps = np.diff(large[0].astype(int), axis=0)
    assert (steps[1:-1] >= 7).all() and (steps <= 9).all()  # of 2 a pixel, four times smaller
    assert large[0].min() < 5 and large[0].max() > 250  # the whole height


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.png", b"no image", "d.png is missing, truncated or no usable image"),
        ("d.png", None, "d.png is smaller than 32 pixels a side; remove it"),
    ],
)
def test_unusable_photographs_are_one_line(name, content, message, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    if content:
        (folder / name).write_bytes(content)
    else:
        Image.new("RGB", (40, 20)).save(folder / name)
    with pytest.raises(SystemExit):
        cut(folder, tmp_path, monkeypatch)
    (line,) = [row for row in capsys.readouterr().err.splitlines() if row.startswith("error")]
    assert message in line
    assert not (tmp_path / "crops.safetensors").exists()


def test_a_folder_without_photographs_is_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cut(tmp_path / "nowhere", tmp_path, monkeypatch)
    assert "has no photographs" in capsys.readouterr().err


def test_photographs_are_put_on_white_and_turned_as_viewers_show_them(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(folder / "a.png")
    assert (cut(folder, tmp_path, monkeypatch) == 255).all()
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, :48] = 255
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned by a quarter: white above black
    Image.fromarray(pixels).save(folder / "a.png", exif=exif)
    images = cut(folder, tmp_path, monkeypatch)
    assert (images == images[..., :1]).all()
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(folder / "a.png")
    with pytest.raises(SystemExit):
        cut(folder, tmp_path, monkeypatch)
    assert "a.png is missing, truncated or no usable image (mode I;16" in capsys.readouterr().err
