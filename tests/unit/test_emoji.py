"""Source emoji: its records, and how the packages are fetched and packed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pictures import SIZE, data_of, picture, rows_of, run_prepare

from ldm_scaling.data import fetch_emoji, tries
from ldm_scaling.data.fetch_emoji import install, normalize_hexcode, pack
from ldm_scaling.data.sources import emoji
from ldm_scaling.data.sources.records import load_pixels
from ldm_scaling.jobs.cli import InputError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip of four concepts in two styles."""
    path = tmp_path / "emoji.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("labels.json", json.dumps({f"1F60{n}": f"face {n}" for n in range(4)}))
        for number in range(4):
            for style, kind in (("noto", "png"), ("fluent", "webp")):
                stream = io.BytesIO()
                picture(number + 10 * (kind == "webp")).save(stream, kind, lossless=True)
                file.writestr(f"{style}/1F60{number}.{kind}", stream.getvalue())
    return path


def test_emoji_records_know_style_and_concept(archive):
    records = emoji.records(data_of(None, styles=["noto", "fluent"]), archive)
    assert len(records) == 8
    assert {record.concept for record in records} == {f"1F60{number}" for number in range(4)}
    captions = [record.caption for record in records if record.concept == "1F602"]
    assert captions == ["face 2, noto emoji style", "face 2, 3d fluent style"]
    fluent = next(record for record in records if record.name == "fluent/1F603.webp")
    np.testing.assert_array_equal(
        load_pixels(fluent, SIZE), np.asarray(picture(13)).transpose(2, 0, 1)
    )


def test_other_styles_are_left_out(archive):
    records = emoji.records(data_of(None, styles=["noto"]), archive)
    assert {record.name.partition("/")[0] for record in records} == {"noto"}


def test_styles_of_a_concept_share_a_split(archive, monkeypatch, tmp_path):
    data = data_of(None, 2, 2, styles=["noto", "fluent"])
    run_prepare(monkeypatch, data, tmp_path / "out", archive=archive)
    for split, count in (("test", 2), ("validation", 2), ("train", 4)):
        rows = rows_of(tmp_path / "out", split)
        assert len(rows) == count
        assert len({row["concept"] for row in rows}) == count // 2


@pytest.mark.parametrize(
    "variants",
    [
        ["1F468-200D-2696", "1F469-200D-2696", "1F9D1-200D-2696"],  # judges
        ["1F3C3", "1F3C3-200D-2640", "1F3C3-200D-2642-200D-27A1"],  # running, facing right
        ["1F46A", "1F468-200D-1F469-200D-1F466", "1F46B", "1F469-200D-2764-200D-1F468"],
        ["1F550", "1F55C", "1F567"],  # clock faces
        ["0039-20E3", "0023-20E3"],  # keycaps
        ["1F44B", "1F44B-1F3FD"],  # a skin tone
        ["1F468", "1F469-200D-1F9B0", "1F9D4"],  # kinds of hair
    ],
)
def test_variants_of_a_drawing_are_one_group(variants):
    assert len({emoji.group_of(hexcode) for hexcode in variants}) == 1


def test_other_drawings_are_groups_of_their_own():
    others = [
        "1F468-200D-2696",
        "1F468-200D-1F52C",
        "1F436",
        "27A1",
        "1F1E9-1F1EA",
        "1F44B",
        "1F466",
    ]
    assert len({emoji.group_of(hexcode) for hexcode in others}) == len(others)


def test_a_group_is_in_one_split(tmp_path, monkeypatch):
    path, labels = tmp_path / "emoji.zip", {}
    with zipfile.ZipFile(path, "w") as file:
        for number in range(60):
            for variant, person in enumerate(("1F468", "1F469", "1F9D1")):
                hexcode = f"{person}-200D-{0x1F600 + number:X}"
                labels[hexcode] = f"person {number} {variant}"
                stream = io.BytesIO()
                picture(3 * number + variant).save(stream, "png")
                file.writestr(f"noto/{hexcode}.png", stream.getvalue())
        file.writestr("labels.json", json.dumps(labels))
    # three images of a group are at most a twentieth of 60
    data = data_of(None, 60, 60, styles=["noto"])
    run_prepare(monkeypatch, data, tmp_path / "out", archive=path)
    numbers = [
        {row["caption"].split()[1] for row in rows_of(tmp_path / "out", split)}
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, numbers)) == len(set.union(*numbers)) == 60


def test_a_large_group_is_for_training(tmp_path, monkeypatch):
    path, labels = tmp_path / "emoji.zip", {}
    with zipfile.ZipFile(path, "w") as file:
        hours = [f"1F55{number:X}" for number in range(12)]
        for number, hexcode in enumerate([*hours, *(f"1F6{number:02X}" for number in range(40))]):
            labels[hexcode] = "clock" if hexcode in hours else "other"
            stream = io.BytesIO()
            picture(number).save(stream, "png")
            file.writestr(f"noto/{hexcode}.png", stream.getvalue())
        file.writestr("labels.json", json.dumps(labels))
    data = data_of(None, 12, 12, styles=["noto"])
    for seed in range(5):
        run_prepare(monkeypatch, data, tmp_path / str(seed), seed, archive=path)
        captions = [row["caption"] for row in rows_of(tmp_path / str(seed), "train")]
        assert sum(caption.startswith("clock") for caption in captions) == 12


def test_skin_tones_are_kept_where_the_study_says_so(archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("noto/1F600-1F3FD.png", b"")
        labels = {f"1F60{n}": f"face {n}" for n in range(4)} | {"1F600-1F3FD": "face 0: medium"}
        file.writestr("labels.json", json.dumps(labels))
    dropped, kept = (
        emoji.records(data_of(None, styles=["noto"], skin_tones=tones), archive)
        for tones in ("drop", "keep")
    )
    assert len(dropped) == 4
    (more,) = (record for record in kept if record.name not in {own.name for own in dropped})
    assert (more.caption, more.concept) == ("face 0: medium, noto emoji style", "1F600")


def test_archive_is_asked_for():
    with pytest.raises(InputError, match="--archive"):
        emoji.records(data_of(None), None)


@pytest.mark.parametrize("kind", ["missing", "cut", "text", "labels"])
def test_unusable_archive_is_named(archive, kind):
    good = archive.read_bytes()
    archive.write_bytes({"cut": good[: len(good) // 2], "text": b"hello"}.get(kind, good))
    if kind == "missing":
        archive.unlink()
    if kind == "labels":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("labels.json", "{")
    with pytest.raises(InputError, match=r"emoji\.zip is unusable"):
        emoji.records(data_of(None), archive)


def test_damaged_member_is_named(archive):
    content = bytearray(archive.read_bytes())
    start = content.index(b"noto/1F602.png")
    content[start + 60 : start + 100] = bytes(40)
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"noto/1F602\.png is missing, truncated or no usable"):
        for record in emoji.records(data_of(None), archive):
            load_pixels(record, SIZE)


def test_hexcodes_have_one_spelling():
    assert normalize_hexcode("2764-fe0f-200d-1f525") == "2764-200D-1F525"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The packages, with one labelled emoji in each style."""
    modules = tmp_path / "node_modules"
    (modules / "emojibase-data" / "en").mkdir(parents=True)
    tones = [{"hexcode": "1F44D-1F3FB", "label": "thumbs up: light skin tone"}]
    labels = [
        {"hexcode": "2764-FE0F", "label": "red heart"},
        {"hexcode": "1F44D", "label": "thumbs up", "skins": tones},
    ]
    (modules / "emojibase-data" / "en" / "data.json").write_text(json.dumps(labels))
    for inside in (
        "emoji-datasource-google/img/google/64/2764-fe0f.png",
        "emoji-datasource-google/img/google/64/2764.png",
        "emoji-datasource-google/img/google/64/1f44d-1f3fb.png",  # a skin tone
        "emoji-datasource-twitter/img/twitter/64/2764-fe0f.png",
        "@lobehub/fluent-emoji-3d/assets/2764.webp",
    ):
        (modules / inside).parent.mkdir(parents=True, exist_ok=True)
        (modules / inside).write_bytes(b"image")
    return modules


def test_pack_takes_labelled_images_once(modules, tmp_path):
    assert pack(modules, tmp_path / "emoji.zip") == 4
    assert zipfile.ZipFile(tmp_path / "emoji.zip").namelist() == [
        "labels.json",
        "noto/1F44D-1F3FB.png",
        "noto/2764.png",
        "twemoji/2764.png",
        "fluent/2764.webp",
    ]


def test_pack_gives_the_same_bytes_at_any_time(modules, tmp_path):
    pack(modules, tmp_path / "a.zip")
    for path in filter(Path.is_file, modules.rglob("*")):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    pack(modules, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


FAILURE = """npm warn Unknown user config
npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error network request to https://nowhere/x failed, reason: getaddrinfo ENOTFOUND nowhere
npm error network
"""


@pytest.fixture
def npm(monkeypatch):
    """Replaces npm by one that fails as often as asked; gives what it was told, and the pauses."""
    calls, pauses = [], []

    def failing(times: int, stderr: str = FAILURE) -> tuple[list, list]:
        def run(command, **options):
            calls.append((command, options["cwd"]))
            code = 1 if len(calls) <= times else 0
            return subprocess.CompletedProcess(command, code, "", stderr)

        monkeypatch.setattr(fetch_emoji, "npm", run)
        monkeypatch.setattr(tries.time, "sleep", pauses.append)
        return calls, pauses

    return failing


def test_install_says_each_try_and_waits_longer_each_time(npm, tmp_path, capsys):
    calls, pauses = npm(times=2)
    assert install(tmp_path) == tmp_path / "node_modules"
    assert len(calls) == 3
    assert pauses == [5, 15]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("failed: code ENOTFOUND, network request to https://nowhere/x")
    assert lines[1].endswith("; try 2 of 4 in 5 s")
    assert lines[2].endswith("; try 3 of 4 in 15 s")


def test_install_keeps_npms_cache_in_its_folder(npm, tmp_path):
    calls, _ = npm(times=0)
    install(tmp_path)
    ((command, folder),) = calls
    assert command[command.index("--cache") + 1] == str(tmp_path / "cache")
    assert folder == tmp_path


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (FAILURE, "code ENOTFOUND, network request to "),
        (
            "npm error code EINTEGRITY\nnpm error sha512 differs\n",
            "code EINTEGRITY, sha512",
        ),
        ("node: not for this system\n", "node: not for this system"),
        ("", "no message"),
    ],
)
def test_install_that_fails_names_reason_and_remedy(npm, tmp_path, stderr, reason):
    npm(times=9, stderr=stderr)
    with pytest.raises(InputError) as caught:
        install(tmp_path)
    message = str(caught.value)
    assert f"could not fetch the emoji packages ({reason}" in message
    assert "check the network and npm's proxy" in message
    assert "\n" not in message
