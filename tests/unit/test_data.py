"""Data sources and splits: what is read, what is refused, and what depends on the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import SIZE, data_of, metadata, picture, rows_of, run_prepare
from PIL import Image

from ldm_scaling.data import prepare
from ldm_scaling.data.captions import read_column
from ldm_scaling.data.sources import imagefolder
from ldm_scaling.data.sources.records import load_pixels
from ldm_scaling.jobs.arrays import fingerprint_of, map_array
from ldm_scaling.jobs.cli import InputError

# ---------------------------------------------------------------- image folders


def test_csv_rows_become_records_in_order(folder):
    records = imagefolder.records(data_of(folder))
    assert [record.caption for record in records] == [f"caption, number {n}" for n in range(30)]
    assert records[4].concept == "concept1"
    np.testing.assert_array_equal(
        load_pixels(records[1], SIZE), np.asarray(picture(1)).transpose(2, 0, 1)
    )


def test_csv_with_a_byte_order_mark(folder):
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text, encoding="utf-8-sig")
    assert len(imagefolder.records(data_of(folder))) == 30


def test_jsonl_and_the_column_caption(folder):
    metadata(
        folder,
        {"file_name": "0.png", "caption": " ein Wölfchen "},
        {"file_name": "deep/er/1.png", "text": 7, "concept": 3},
    )
    records = imagefolder.records(data_of(folder))
    assert [(r.caption, r.concept) for r in records] == [
        ("ein Wölfchen", "ein Wölfchen"),
        ("7", "3"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"file_name": "0.png", "text": ""}, "0.png has no text"),
        ({"file_name": "0.png", "text": "  "}, "0.png has no text"),
        ({"file_name": "0.png"}, "0.png has no text"),
        ({"text": "a wolf"}, "no file_name"),
        ({"file_name": "gone.png", "text": "a wolf"}, "gone.png does not exist"),
        ({"file_name": "deep", "text": "a wolf"}, "deep does not exist"),
        ({"file_name": "a" * 300, "text": "a wolf"}, "a does not exist"),
        (["0.png", "a wolf"], "not a JSON object"),
    ],
)
def test_wrong_row_is_named(folder, row, says):
    metadata(folder, {"file_name": "0.png", "text": "good"}, row)
    with pytest.raises(InputError) as caught:
        imagefolder.records(data_of(folder))
    assert says in str(caught.value)
    assert f"{folder / 'metadata.jsonl'}, row 2" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "csv",
            "file_name,text\n0.png,a wolf\n1.png,W\xf6lfe",
            "line 3: not UTF-8; save the file in",
        ),
        (
            "csv",
            "file_name,title\n0.png,a wolf",
            "no column text or caption; it has",
        ),
        ("csv", "file;text\n0.png;a wolf", "no column file_name; it has file;text. Rename one"),
        (
            "jsonl",
            '{"file_name": "0.png", "txt": 1}',
            "no column text or caption; it has",
        ),
        ("jsonl", '{"text": "W\xf6lfe"}', "line 1: not UTF-8; save the file in"),
        (
            "jsonl",
            '{"file_name": 5, "text": "x"}',
            "row 1: file_name 5 is not text; put",
        ),
        (
            "jsonl",
            '{"file_name": ',
            "row 1: not a JSON object (Expecting value, column 15);",
        ),
    ],
)
def test_broken_metadata_is_named_with_its_remedy(folder, name, content, says):
    (folder / "metadata.csv").unlink()
    path = folder / f"metadata.{name}"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        imagefolder.records(data_of(folder))
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_and_line_separators_in_json_lines(folder):
    line = '{"file_name": "0.png", "text": "a\u2028b", "concept": 0}\r\n'
    (folder / "metadata.csv").unlink()
    (folder / "metadata.jsonl").write_bytes(2 * line.encode())
    records = imagefolder.records(data_of(folder))
    assert [(r.caption, r.concept) for r in records] == [("a\u2028b", "0")] * 2


def test_folder_without_metadata_names_the_key(tmp_path):
    with pytest.raises(InputError, match=r"data\.path: .* neither metadata\.csv nor"):
        imagefolder.records(data_of(tmp_path))
    with pytest.raises(InputError, match=r"data\.path: .*nowhere is not a folder"):
        imagefolder.records(data_of(tmp_path / "nowhere"))


# ---------------------------------------------------------------- pixels


def pixels_of(folder: Path, image: Image.Image, name: str = "x.png", **options: Any) -> np.ndarray:
    """Save an image, and read it as a record."""
    image.save(folder / name, **options)
    metadata(folder, {"file_name": name, "text": "x"})
    return load_pixels(imagefolder.records(data_of(folder))[0], SIZE)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_8_bit_mode_is_read_as_rgb(tmp_path, mode):
    image = picture(1, mode)
    pixels = pixels_of(tmp_path, image)
    assert pixels.dtype == np.uint8
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels, expected)


def test_cmyk_photo(tmp_path):
    pixels = pixels_of(tmp_path, Image.new("CMYK", (SIZE, SIZE), (0, 255, 255, 0)), "x.tif")
    assert pixels[0].min() > 200
    assert pixels[1:].max() < 60


def test_transparent_is_white(tmp_path):
    image = Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, SIZE, SIZE // 2))
    pixels = pixels_of(tmp_path, image)
    assert pixels[:, 0, 0].tolist() == [0, 0, 255]
    assert pixels[:, -1, 0].tolist() == [255, 255, 255]


def test_transparent_palette_is_white(tmp_path):
    image = Image.new("P", (SIZE, SIZE), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert (pixels_of(tmp_path, image, transparency=1) == 255).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_is_refused_by_name(tmp_path, mode):
    image = Image.new(mode, (SIZE, SIZE))
    with pytest.raises(InputError, match=r"x\.tif.*not 8-bit; convert it to RGB"):
        pixels_of(tmp_path, image, "x.tif")


def test_16_bit_gray_png_is_refused_by_name(tmp_path):
    image = Image.fromarray(np.full((SIZE, SIZE), 40000, np.uint16))
    with pytest.raises(InputError, match=r"x\.png.*not 8-bit"):
        pixels_of(tmp_path, image)


def test_central_square_is_kept(tmp_path):
    image = Image.new("RGB", (SIZE * 3, SIZE), "red")
    image.paste((0, 255, 0), (SIZE, 0, 2 * SIZE, SIZE))
    assert (pixels_of(tmp_path, image).transpose(1, 2, 0) == (0, 255, 0)).all()


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (SIZE, SIZE), "white")
    image.paste((0, 0, 0), (0, 0, SIZE, SIZE // 2))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = pixels_of(tmp_path, image, exif=exif)
    assert pixels[0, 0, 0] == 255
    assert pixels[0, -1, 0] == 0


@pytest.mark.parametrize("kind", ["truncated", "text", "empty"])
def test_no_whole_image_is_refused_by_name(folder, monkeypatch, tmp_path, kind):
    path = folder / "deep" / "er" / "3.png"
    good = path.read_bytes()
    path.write_bytes({"truncated": good[: len(good) // 2], "text": b"hello", "empty": b""}[kind])
    with pytest.raises(InputError) as caught:
        run_prepare(monkeypatch, data_of(folder), tmp_path / "out")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- splits


def test_splits_hold_what_was_asked_and_share_no_concept(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, data_of(folder), tmp_path)
    rows = {split: rows_of(tmp_path, split) for split in prepare.SPLITS}
    assert {split: len(found) for split, found in rows.items()} == {
        "train": 18,
        "validation": 6,  # 4 asked; a concept has 3 images
        "test": 6,
    }
    concepts = [{row["concept"] for row in found} for found in rows.values()]
    assert sum(map(len, concepts)) == len(set.union(*concepts)) == 10


def test_captions_stand_in_the_order_of_the_images(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, data_of(folder), tmp_path)
    for split in prepare.SPLITS:
        images = map_array(tmp_path / f"{split}.safetensors", "images")
        rows = rows_of(tmp_path, split)
        assert [int(row["index"]) for row in rows] == list(range(len(images)))
        for image, row in zip(images, rows, strict=True):
            number = int(Path(row["name"]).stem)
            assert row["caption"] == f"caption, number {number}"
            np.testing.assert_array_equal(image, np.asarray(picture(number)).transpose(2, 0, 1))


def test_same_seed_same_files_and_other_seed_other_files(folder, monkeypatch, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_prepare(monkeypatch, data_of(folder), tmp_path / name, seed)
    for file in ("train.safetensors", "test.safetensors", "validation.csv", "train.csv"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b != c


def test_changed_pixels_change_the_fingerprint(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, data_of(folder), tmp_path / "a")
    for number in range(0, 30, 2):
        picture(number + 1000).save(folder / f"{number}.png")
    run_prepare(monkeypatch, data_of(folder), tmp_path / "b")
    a, b = (fingerprint_of(tmp_path / name / "train.safetensors") for name in "ab")
    assert a != b


def test_exact_copies_are_dropped(folder, monkeypatch, tmp_path, capsys):
    for number in (2, 4, 6):
        picture(0).save(folder / f"{number}.png")
    run_prepare(monkeypatch, data_of(folder), tmp_path)
    assert "3 exact copies dropped" in capsys.readouterr().out
    images = np.concatenate(
        [map_array(tmp_path / f"{split}.safetensors", "images") for split in prepare.SPLITS]
    )
    assert len(images) == len(np.unique(images, axis=0)) == 27


def test_max_images_takes_whole_concepts(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, data_of(folder, max_images=16), tmp_path)
    rows = [row for split in prepare.SPLITS for row in rows_of(tmp_path, split)]
    assert len(rows) == 18
    assert {sum(r["concept"] == row["concept"] for r in rows) for row in rows} == {3}


@pytest.mark.parametrize("more", [{"test": 30}, {"validation": 24}, {"max_images": 12}])
def test_too_few_images_names_folder_and_key(folder, monkeypatch, tmp_path, more):
    with pytest.raises(InputError) as caught:
        run_prepare(monkeypatch, data_of(folder, **more), tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("data.splits: ")
    assert str(folder) in message
    assert "only 30" in message
    assert not (tmp_path / "out").exists()


def test_empty_metadata_is_too_few_images(folder, monkeypatch, tmp_path):
    metadata(folder)
    with pytest.raises(InputError, match="has only 0"):
        run_prepare(monkeypatch, data_of(folder), tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, " is missing; rule prepare_data writes it"),
        (b"index,text\n0,a wolf\n", " has no column caption; delete the file and run again"),
        (b"index,caption\n0,\xff\n", ", line 2: not UTF-8"),
    ],
)
def test_unusable_captions_are_named(tmp_path, content, says):
    path = tmp_path / "test.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_column(path, "caption")
    assert str(caught.value).startswith(f"{path}{says}")
