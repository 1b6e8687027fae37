"""Shards: what is written is what is mapped; every damaged file is named."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ldm_scaling.cli import InputError
from ldm_scaling.shards import fingerprint_of, map_array, read_header, write_arrays

ARRAYS = {
    "images": np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4),
    "latents": np.linspace(-1, 1, 24, dtype=np.float16).reshape(2, 12),
    "ids": np.array([[1, -2], [3, 4]], dtype=np.int64),
    "tokens": np.array([5, 6], dtype=np.int32),
    "scores": np.array([0.1, 1e300]),
    "scale": np.array(0.5, dtype=np.float32),
}


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A good shard."""
    path = tmp_path / "folder" / "train.safetensors"
    write_arrays(path, ARRAYS, "f123", note="x")
    return path


@pytest.mark.parametrize("name", ARRAYS)
def test_round_trip(shard, name):
    mapped = map_array(shard, name)
    assert isinstance(mapped, np.memmap)
    assert mapped.dtype == ARRAYS[name].dtype
    assert mapped.shape == ARRAYS[name].shape
    np.testing.assert_array_equal(mapped, ARRAYS[name])
    np.testing.assert_array_equal(mapped, load_file(shard)[name])


def test_views_are_written_in_order(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T[::-1]
    write_arrays(tmp_path / "x", {"a": array}, "f")
    np.testing.assert_array_equal(map_array(tmp_path / "x", "a"), array)


def test_an_array_without_rows(tmp_path):
    write_arrays(tmp_path / "x", {"a": np.zeros((0, 3), np.float32), "b": np.ones(1)}, "f")
    assert map_array(tmp_path / "x", "a").shape == (0, 3)


def test_a_map_is_read_only(shard):
    with pytest.raises(ValueError, match="read-only"):
        map_array(shard, "ids")[0, 0] = 9


def test_header(shard):
    assert fingerprint_of(shard) == "f123"
    assert read_header(shard)["__metadata__"]["note"] == "x"


def test_missing_array_is_named_beside_the_known_ones(shard):
    with pytest.raises(InputError, match=r"no array nothing \(it has: .*latents"):
        map_array(shard, "nothing")


def header(content: object) -> bytes:
    """Bytes of a file with this header and no data."""
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


DAMAGE = {
    "empty": lambda good: b"",
    "cut in the length": lambda good: good[:5],
    "cut in the header": lambda good: good[:60],
    "cut in the data": lambda good: good[:-1],
    "text": lambda good: b"this is a text file, not an array\n",
    "zeros": lambda good: bytes(100),
    "high bytes": lambda good: b"\xff" * 100,
    "header is a list": lambda good: header([1, 2]),
    "header is a number": lambda good: header(3),
    "entry is text": lambda good: header({"images": "?"}),
    "entry without offsets": lambda good: header({"images": {"dtype": "U8"}}),
    "offsets too few": lambda good: header({"images": {"data_offsets": [0]}}),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_file_is_named_in_one_line(shard, kind):
    shard.write_bytes(DAMAGE[kind](shard.read_bytes()))
    with pytest.raises(InputError) as caught:
        map_array(shard, "images")
    message = str(caught.value)
    assert str(shard) in message
    assert "delete it and run again" in message
    assert "\n" not in message


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors is missing"):
        map_array(tmp_path / "none.safetensors", "images")


def test_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_header(tmp_path)


def test_a_failed_write_leaves_the_old_shard(shard):
    before = shard.read_bytes()
    with pytest.raises(Exception, match=r"dtype|supported|object"):
        write_arrays(shard, {"bad": np.array([object()])}, "f")
    assert shard.read_bytes() == before
    assert list(shard.parent.iterdir()) == [shard]
