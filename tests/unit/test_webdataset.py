"""Tar shards: what is indexed and read, the order of training, and every kind of broken shard."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from collections_on_disk import jpeg, sample, write_shards, write_tar

from ldm_scaling.data import index_shards
from ldm_scaling.data.read_ahead import ReadAhead
from ldm_scaling.data.sources.records import Record, load_pixels
from ldm_scaling.data.sources.webdataset import (
    Index,
    Samples,
    StandIns,
    WindowedOrder,
    scan,
    shard_names,
)
from ldm_scaling.jobs.arrays import fingerprint_of
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.workflow.specs.data import IndexSpec

SIZE = 8


def index_of(monkeypatch, folder: Path, max_images: int | None = None) -> Index:
    """Run the command in this process."""
    arguments = ["--spec", IndexSpec(max_images=max_images).model_dump_json()]
    arguments += ["--shards", folder, "--out", folder / "index", "--work-dir", folder / "work"]
    monkeypatch.setattr("sys.argv", ["index_shards", *map(str, arguments)])
    index_shards.main()
    return Index.load(folder / "index")


def read(index: Index, folder: Path) -> list[str | None]:
    """The caption of every sample, None for one that cannot be decoded."""
    samples = Samples(index, folder, SIZE)
    return [found and found[1] for found in map(samples.whole, range(len(index)))]


def members_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


# ---------------------------------------------------------------- index


def test_samples_are_those_of_the_archives(monkeypatch, tmp_path, capsys):
    write_shards(tmp_path, [3, 1, 4])
    index = index_of(monkeypatch, tmp_path)
    assert "8 samples in 3 shards" in capsys.readouterr().out
    assert index.shards == ["000.tar", "001.tar", "002.tar"]
    assert index.starts.tolist() == [0, 3, 4, 8]
    samples = Samples(index, tmp_path, SIZE)
    for number in range(8):
        (tmp_path / "x.jpg").write_bytes(jpeg(number))
        image = load_pixels(Record("", "", "x", lambda: _open(tmp_path / "x.jpg")), SIZE)
        pixels, caption = samples.whole(number)
        np.testing.assert_array_equal(pixels, image)
        assert caption == f"picture {number}"


def _open(path: Path):
    from PIL import Image

    return Image.open(path)


def test_kinds_of_members(monkeypatch, tmp_path):
    as_json = json.dumps({"caption": " in  json ", "url": "x"}).encode()
    write_tar(
        tmp_path / "deep" / "a.tar",
        {
            "a/1.jpeg": jpeg(1),
            "a/1.txt": b"text\nof two lines",
            "a/1.json": as_json,
            "2.JPG": jpeg(2),
            "2.json": as_json,
            "b/1.cls": b"7",
            "b/1.txt": "Wölfchen".encode(),
            "b/1.jpg": jpeg(3),
            "b/1.seg.png": jpeg(4),
            "4.v2.png": jpeg(5),  # a part of sample 4, which has no image
            "4.txt": b"x",
        },
    )
    index = index_of(monkeypatch, tmp_path)
    assert read(index, tmp_path) == ["text of two lines", "in json", "Wölfchen"]


def test_a_long_name_and_a_large_shard_number(monkeypatch, tmp_path):
    name = "folder/" * 30 + "x" * 90
    write_tar(tmp_path / "1.tar", {f"{name}.png": jpeg(1), f"{name}.txt": b"long"})
    assert read(index_of(monkeypatch, tmp_path), tmp_path) == ["long"]


def test_samples_without_image_or_caption_are_left_out_and_counted(monkeypatch, tmp_path, capsys):
    members = sample(0) | sample(1) | sample(2) | sample(3) | sample(4)
    del members["00001.jpg"], members["00002.txt"]
    members["00003.jpg"] = b""
    write_tar(tmp_path / "1.tar", members)
    assert read(index_of(monkeypatch, tmp_path), tmp_path) == ["picture 0", "picture 4"]
    assert "left out, since they have no image or no caption: 3" in capsys.readouterr().out


def test_max_images_takes_the_first_samples(monkeypatch, tmp_path):
    write_shards(tmp_path, [3, 3, 3])
    index = index_of(monkeypatch, tmp_path, max_images=4)
    assert len(index) == 4
    assert read(index, tmp_path) == [f"picture {number}" for number in range(4)]
    numbers = WindowedOrder(index.starts)(0, 0, 4)
    assert sorted(numbers) == [0, 1, 2, 3]


def test_the_fingerprint_follows_the_shards(monkeypatch, tmp_path):
    shard = tmp_path / "a" / "1.tar"

    def indexed() -> str:
        index_of(monkeypatch, shard.parent)
        return fingerprint_of(shard.parent / "index")

    write_tar(shard, sample(0) | sample(1))
    first = indexed()
    assert indexed() == first
    members, size = members_of(shard), shard.stat().st_size
    members["00001.txt"] = b"PICTURE 1"
    write_tar(shard, members)
    assert shard.stat().st_size == size
    second = indexed()
    assert second != first
    write_tar(shard, members | {"00001.txt": b"longer than it was", "00000.txt": b"shorter"})
    assert indexed() not in (first, second)


@pytest.mark.parametrize(
    ("caption", "says"),
    [
        (b'{"caption": ["a cat", "the cat"]}', "sample 0 of 1.tar: caption is a list, not text"),
        (b'{"caption": null}', "sample 0 of 1.tar: caption is empty"),
        (b'{"text": "a cat"}', 'sample 0 of 1.tar: caption: its JSON has no key "caption"'),
        (b'{"caption": "a cat \\ud83d"}', r"sample 0 of 1.tar: caption has '\ud83d'"),
    ],
)
def test_who_has_no_usable_caption_learns_why(monkeypatch, tmp_path, caption, says):
    members = sample(0)
    del members["00000.txt"]
    write_tar(tmp_path / "1.tar", members | {"00000.json": caption})
    samples = Samples(index_of(monkeypatch, tmp_path), tmp_path, SIZE)
    with pytest.raises(InputError, match=r"no sample of shard 1\.tar can be decoded") as caught:
        samples.read(0)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[:5000],
        lambda good: good[: 512 * 3],  # after the first member's whole blocks, or within them
        lambda good: good.rstrip(b"\0"),
        lambda good: good.replace(b"00002.txt", b"xxxxx.txt"),  # its checksum is wrong
        lambda good: b"",
        lambda good: b"this is no archive" * 100,
        lambda good: b"\x1f\x8b" + good,
    ],
)
def test_a_truncated_shard_is_named_in_one_line(tmp_path, damage):
    write_shards(tmp_path, [5])
    path = tmp_path / "000.tar"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        scan(path)
    assert str(caught.value).startswith(f"{path} is truncated or not a tar archive")
    assert str(caught.value).endswith("fetch it again")
    assert "\n" not in str(caught.value)


def test_truncation_at_any_block_is_noticed(tmp_path):
    write_shards(tmp_path, [3])
    path = tmp_path / "000.tar"
    good = path.read_bytes()
    content = len(good.rstrip(b"\0"))
    for length in range(512, content, 512):
        path.write_bytes(good[:length])
        with pytest.raises(InputError):
            scan(path)


def test_folders_without_shards_or_samples_name_the_key(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"data\.path: .*nowhere is not a folder"):
        shard_names(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"data\.path: .* has no \.tar files"):
        shard_names(tmp_path)
    write_tar(tmp_path / "1.tar", {"a.jpg": jpeg(1), "b.txt": b"x"})
    with pytest.raises(InputError, match=r"data\.path: no sample in .* has an image and a caption"):
        index_of(monkeypatch, tmp_path)


# ---------------------------------------------------------------- broken samples


BROKEN = {
    "truncated image": ("jpg", jpeg(9)[:200]),
    "no image": ("jpg", b"<html>not found</html>"),
    "zeros": ("jpg", bytes(300)),
    "blank caption": ("txt", b" \n"),
    "caption of other bytes": ("txt", b"W\xf6lfchen"),
    "caption that is no JSON": ("json", b"{"),
    "no caption in the JSON": ("json", b'{"text": "a"}'),
    "JSON of no object": ("json", b"5"),
    "a number for a caption": ("json", b'{"caption": 5}'),
}


def broken_sample(number: int, kind: str) -> dict[str, bytes]:
    suffix, content = BROKEN[kind]
    members = sample(number)
    if suffix == "json":
        del members[f"{number:05d}.txt"]
    return members | {f"{number:05d}.{suffix}": content}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_next_whole_sample_of_the_shard_stands_in(monkeypatch, tmp_path, kind):
    members: dict[str, bytes] = {}
    for number in range(4):
        members |= broken_sample(number, kind) if number in (1, 3) else sample(number)
    write_tar(tmp_path / "a.tar", sample(7))
    write_tar(tmp_path / "b.tar", members)
    write_tar(tmp_path / "c.tar", sample(8))
    index = index_of(monkeypatch, tmp_path)
    assert len(index) == 6
    samples = Samples(index, tmp_path, SIZE)
    assert [isinstance(samples.whole(number), str) for number in range(6)] == [0, 0, 1, 0, 1, 0]
    found = [samples.read(number)[1] for number in range(6)]
    assert found == [f"picture {number}" for number in (7, 0, 2, 2, 0, 8)]
    # what was encoded is looked up in the same way
    kept = np.array([0, 1, 3, 5])
    rows = StandIns(index, kept).rows(np.arange(6))
    assert kept[rows].tolist() == [0, 1, 3, 3, 1, 5]


def test_a_shard_without_a_whole_sample_is_named(monkeypatch, tmp_path):
    write_shards(tmp_path, [2])
    broken = broken_sample(0, "zeros") | broken_sample(1, "no image")
    write_tar(tmp_path / "bad.tar", broken)
    index = index_of(monkeypatch, tmp_path)
    says = r"no sample of shard bad\.tar can be decoded"
    with pytest.raises(InputError, match=says):
        Samples(index, tmp_path, SIZE).read(2)
    with pytest.raises(InputError, match=says):
        StandIns(index, np.array([0, 1]))


def test_a_shard_that_changed_after_indexing_is_named(monkeypatch, tmp_path):
    write_shards(tmp_path, [3])
    index = index_of(monkeypatch, tmp_path)
    path = tmp_path / "000.tar"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"000\.tar has changed since it was indexed"):
        Samples(index, tmp_path, SIZE).read(2)


# ---------------------------------------------------------------- order


STARTS = np.cumsum([0, 5, 1, 7, 3, 0, 4, 6, 2])


@pytest.mark.parametrize("window", [1, 3, 100])
def test_every_epoch_has_every_sample_once(window):
    order = WindowedOrder(STARTS, window)
    count = STARTS[-1]
    numbers = order(0, 0, 3 * count)
    for epoch in range(3):
        assert sorted(numbers[epoch * count : (epoch + 1) * count]) == list(range(count))
    assert not np.array_equal(numbers[:count], numbers[count : 2 * count])
    assert not np.array_equal(numbers, WindowedOrder(STARTS, window)(1, 0, 3 * count))


@pytest.mark.parametrize("start", [0, 1, 27, 28, 29, 60])
def test_the_order_is_a_function_of_the_position(start):
    whole = WindowedOrder(STARTS, 3)(5, 0, 100)
    later = WindowedOrder(STARTS, 3)  # which has seen nothing before
    for length in (1, 4, 33):
        np.testing.assert_array_equal(later(5, start, length), whole[start : start + length])


def test_reads_stay_within_a_window_of_shards():
    starts = np.arange(0, 10 * 41, 10)
    numbers = WindowedOrder(starts, 4)(0, 0, 400)
    for begin in range(0, 400, 40):
        assert len({number // 10 for number in numbers[begin : begin + 40]}) == 4
    assert len({number // 10 for number in numbers[:8]}) > 1, "samples of shards are mixed"


# ---------------------------------------------------------------- reading ahead


def test_results_come_in_order_and_no_further_ahead_than_said():
    calls: list[int] = []
    reader = ReadAhead(lambda key: calls.append(key) or key * 10, threads=2, ahead=3)
    assert reader([5, 6]) == [50, 60], "nothing was announced"
    calls.clear()
    reader.announce(range(8))
    assert reader([0, 1]) == [0, 10]
    assert max(calls) <= 4
    assert reader([2, 3, 4]) == [20, 30, 40]
    assert reader([5, 6, 7]) == [50, 60, 70]
    assert sorted(calls) == list(range(8)), "each once"


def test_what_was_not_announced_is_read_and_the_rest_stays():
    reader = ReadAhead(lambda key: -key, threads=2)
    reader.announce([4, 5])
    assert reader([1, 2]) == [-1, -2]
    assert reader([4, 5]) == [-4, -5]


def test_an_error_of_a_thread_is_raised():
    def fail(key: int) -> int:
        raise InputError(f"{key} is missing")

    reader = ReadAhead(fail, threads=1)
    reader.announce([3])
    with pytest.raises(InputError, match="3 is missing"):
        reader([3])
