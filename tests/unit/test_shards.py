"""Shards: what is written is what is mapped; every damaged file is named."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ldm_scaling.jobs.arrays import (
    ConcatenatedRows,
    fingerprint_of,
    map_array,
    read_header,
    row_writer,
    write_arrays,
)
from ldm_scaling.jobs.cli import InputError

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


# ---------------------------------------------------------------- rows


def test_rows_in_any_order_give_the_bytes_of_the_library(tmp_path):
    arrays = {name: array for name, array in ARRAYS.items() if array.ndim}
    arrays["none"] = np.zeros((0, 4), np.float16)
    write_arrays(tmp_path / "whole", arrays, "prüfung")
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    with row_writer(tmp_path / "rows", shapes, "prüfung") as writer:
        for name, array in arrays.items():
            for row in reversed(range(len(array))):
                writer.write(name, row, array[row : row + 1])
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "whole").read_bytes()


def test_notes_stand_in_the_header(tmp_path):
    with row_writer(tmp_path / "x", {"a": ("uint8", (1, 2))}, "f", part="0 of 2"):
        pass
    assert read_header(tmp_path / "x")["__metadata__"] == {"fingerprint": "f", "part": "0 of 2"}


def test_a_file_of_rows_appears_whole_or_not_at_all(tmp_path):
    shapes = {"a": ("float32", (4, 3))}
    with pytest.raises(KeyboardInterrupt), row_writer(tmp_path / "x", shapes, "f") as writer:
        writer.write("a", 0, np.ones((2, 3), np.float32))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("row", "shape"), [(3, (2, 3)), (0, (2, 4)), (0, (5, 3))])
def test_rows_that_do_not_fit_are_an_error(tmp_path, row, shape):
    shapes = {"a": ("float32", (4, 3))}
    with (
        pytest.raises(ValueError, match="do not fit"),
        row_writer(tmp_path / "x", shapes, "f") as writer,
    ):
        writer.write("a", row, np.ones(shape, np.float32))
    assert not (tmp_path / "x").exists()


def test_concatenated_rows_are_those_of_the_whole_array():
    whole = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float16)
    parts = ConcatenatedRows([whole[:4], whole[4:4], whole[4:5], whole[5:]])
    assert len(parts) == 10 and parts.shape == whole.shape
    for indices in ([3, 4, 5], [9, 0, 0, 7], list(range(10)), []):
        rows = parts[np.array(indices, np.int64)]
        np.testing.assert_array_equal(rows, whole[indices] if indices else whole[:0])
        assert rows.dtype == np.float16
    for outside in (-1, 10):
        with pytest.raises(IndexError):
            parts[np.array([outside])]


def test_rows_of_different_shapes_are_not_concatenated():
    with pytest.raises(ValueError, match="different shapes"):
        ConcatenatedRows([np.ones((2, 3)), np.ones((2, 4))])
