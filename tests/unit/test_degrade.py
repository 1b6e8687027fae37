"""Low-resolution images: drawn for each image by itself, and what each part of it does."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from ldm_scaling.data import crop_photos, degrade
from ldm_scaling.data.degrade import MODES, enlarged, gaussian_kernel, sinc_kernel
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import run
from ldm_scaling.study.superres import Degradation

ROUND = [1, 0, 0, 0, 0, 0]
NOTHING = {"blur": 0, "sinc": 0, "kernels": ROUND, "sigma": [1, 1], "resized": [0, 0, 1]}
NOTHING |= {"resize": [1, 1], "shot": 0, "noise": [0, 0], "shot_noise": [0, 0], "gray": 0}
NOTHING |= {"jpeg": [100, 100]}
SOME = NOTHING | {"blur": 1, "sigma": [0.3, 0.8], "resized": [0.2, 0.7, 0.1], "resize": [0.6, 1.2]}
SOME |= {"shot": 0.5, "noise": [1, 6], "shot_noise": [0.1, 0.5], "gray": 0.4, "jpeg": [60, 95]}
# the options of Real-ESRGAN's four-fold model: options/train_realesrgan_x4plus.yml
PUBLISHED = {"sinc": 0.1, "kernels": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03], "shot": 0.5, "gray": 0.4}
PUBLISHED |= {"jpeg": [30, 95]}
FIRST = {"blur": 1, "sigma": [0.2, 3], "resized": [0.2, 0.7, 0.1], "resize": [0.15, 1.5]}
FIRST |= {"noise": [1, 30], "shot_noise": [0.05, 3]} | PUBLISHED
SECOND = {"blur": 0.8, "sigma": [0.2, 1.5], "resized": [0.3, 0.4, 0.3], "resize": [0.3, 1.2]}
SECOND |= {"noise": [1, 25], "shot_noise": [0.05, 2.5]} | PUBLISHED


def settings(first=NOTHING, second=NOTHING, final_sinc=0, **both):
    return Degradation(first=first | both, second=second | both, final_sinc=final_sinc)


def smooth(count=1, side=32, seed=0):
    """Images without fine detail."""
    coarse = np.random.default_rng(seed).uniform(40, 215, (count, 3, 4, 4))
    grown = functional.interpolate(torch.from_numpy(coarse), size=(side, side), mode="bicubic")
    return grown.numpy().round().clip(0, 255).astype(np.uint8)


def drawn(settings, image, seed=0):
    return degrade.degrade(image, settings, np.random.default_rng(seed)).astype(float)


# ------------------------------------------------------------ the parts


@pytest.mark.parametrize("sigmas", [(0.9, 0.9), (1.5, 0.8)])
def test_a_kernels_moments_are_those_of_the_gaussian(sigmas):
    angle = 0.6
    kernel = gaussian_kernel(21, sigmas, angle)
    y, x = np.mgrid[-10:11, -10:11]
    assert kernel.sum() == pytest.approx(1)
    for sigma, turned in zip(sigmas, (angle, angle + np.pi / 2), strict=True):
        along = x * np.cos(turned) + y * np.sin(turned)
        assert (kernel * along).sum() == pytest.approx(0, abs=1e-12)
        assert (kernel * along**2).sum() == pytest.approx(sigma**2, rel=0.04)


def test_a_sinc_kernel_keeps_what_is_below_its_cutoff():
    kernel = np.pad(sinc_kernel(101, 1.5), 200)
    gain = np.abs(np.fft.rfft2(kernel))[0]
    frequency = 2 * np.pi * np.arange(len(gain)) / len(kernel)
    assert np.abs(gain[frequency < 1.2] - 1).max() < 0.1
    assert gain[frequency > 1.8].max() < 0.1
    assert sinc_kernel(21, 1.5).min() < 0  # it rings


@pytest.mark.parametrize("shape", range(6))
def test_kernels_are_of_the_drawn_shape(shape):
    chances = [float(place == shape) for place in range(6)]
    own = settings(kernels=chances, sigma=[0.5, 2.5]).first
    found = [degrade._drawn_kernel(own, np.random.default_rng(seed)) for seed in range(20)]
    assert {len(kernel) for kernel in found} <= set(range(7, 22, 2))
    round_ones = [np.allclose(kernel, kernel.T, atol=1e-9) for kernel in found]
    assert all(round_ones) if shape % 2 == 0 else not any(round_ones)
    for kernel in found:
        middle = len(kernel) // 2
        assert kernel.sum() == pytest.approx(1) and kernel.max() == kernel[middle, middle]


def test_without_disturbances_only_the_resizing_is_left():
    image = np.repeat(smooth()[0][:1], 3, axis=0)  # grey: JPEG halves the resolution of colour
    found = drawn(settings(), image)
    pixels = torch.from_numpy(image.astype(np.float32))[None]
    # to a quarter in the second pass, and by no further step
    plain = [functional.interpolate(pixels, size=(8, 8), mode=mode)[0] for mode in MODES]
    assert min(np.abs(found - one.numpy()).max() for one in plain) < 6  # JPEGs of quality 100
    low = np.asarray(found, np.uint8)
    bigger = Image.fromarray(low.transpose(1, 2, 0)).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(enlarged(low), np.asarray(bigger).transpose(2, 0, 1))


def tensor(light, channels=3):
    return torch.full((1, channels, 128, 128), light / 255)


def noise_of(light, **changed):
    own = settings(**changed).first
    found = degrade._noisy(tensor(light), own, np.random.default_rng(0)) - tensor(light)
    return 255 * found[0]


def test_gaussian_noise_has_its_deviation_and_gray_noise_no_colour():
    noise = noise_of(128, noise=[9, 9])
    assert noise.std().item() == pytest.approx(9, rel=0.02)
    gray = noise_of(128, noise=[9, 9], gray=1)
    assert torch.allclose(gray[0], gray[1]) and not torch.allclose(noise[0], noise[1])


def test_shot_noise_grows_with_the_root_of_the_light():
    dark, bright = (noise_of(light, shot=1, shot_noise=[0.5, 0.5]) for light in (16, 196))
    assert dark.std().item() == pytest.approx(0.5 * 4, rel=0.03)
    assert bright.std().item() == pytest.approx(0.5 * 14, rel=0.03)


def test_images_are_enlarged_and_made_smaller_as_often_as_published():
    draw, own = np.random.default_rng(0), settings(FIRST, SECOND)
    for one, chances, means in (
        (own.first, (0.2, 0.7, 0.1), (1.25, 0.575)),
        (own.second, (0.3, 0.4, 0.3), (1.1, 0.65)),
    ):
        scales = np.array([degrade._scale(one, draw) for _ in range(4000)])
        kinds = [scales > 1, scales < 1, scales == 1]
        for kind, chance in zip(kinds, chances, strict=True):
            assert kind.mean() == pytest.approx(chance, abs=0.03)
        for kind, mean in zip(kinds, means, strict=False):
            assert scales[kind].mean() == pytest.approx(mean, abs=0.02)


def test_the_second_pass_starts_from_a_quarter_of_the_original(monkeypatch):
    sides = []
    monkeypatch.setattr(
        degrade, "_noisy", lambda image, *rest: sides.append(image.shape[-1]) or image
    )
    for seed in range(200):
        drawn(settings(FIRST, SECOND), smooth(side=64)[0], seed)
    first, second = np.array(sides).reshape(-1, 2).T
    assert (first.min() < 15) and (first.max() > 85)  # 0.15 to 1.5 of 64
    assert second.min() >= int(0.3 * 16) and second.max() <= int(1.2 * 16)  # of 16


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ({"blur": 1, "sigma": [0.3, 0.3]}, {"blur": 1, "sigma": [3, 3]}),
        ({"noise": [2, 2]}, {"noise": [20, 20]}),
        ({"jpeg": [95, 95]}, {"jpeg": [10, 10]}),
        ({}, {"resized": [0, 1, 0], "resize": [0.15, 1]}),
        ({}, {"final_sinc": 1}),
    ],
)
def test_more_of_a_disturbance_is_further_from_the_image(weak, strong):
    images = smooth(8, side=64, seed=1)
    plain = [drawn(settings(), image, seed) for seed, image in enumerate(images)]

    def distance(changed):
        found = [drawn(settings(**changed), image, seed) for seed, image in enumerate(images)]
        return np.mean([np.abs(a - b).mean() for a, b in zip(found, plain, strict=True)])

    assert distance(strong) > 1.5 * distance(weak)


def test_published_settings_leave_as_much_noise_on_grey_as_the_public_code():
    # a grey image of 256 pixels: what remains is noise, 7.8 of 255 by the public code; 4.6 where
    # the second pass resizes what the first one left, with antialiasing
    grey = np.full((3, 256, 256), 128, np.uint8)
    found = [
        drawn(settings(FIRST, SECOND, final_sinc=0.8), grey, seed).std() for seed in range(200)
    ]
    assert np.median(found) == pytest.approx(7.8, abs=1)


# ------------------------------------------------------------ the command


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command on images; the file that it writes."""

    def call(name="out", images=None, workers=1, **spec):
        if images is not None:
            write_arrays(tmp_path / "images", {"images": images}, "abc")
        spec = {"seed": 3, "split": "train", "count": None} | spec
        spec["degradation"] = {"first": SOME, "second": SOME, "final_sinc": 0.5}
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
