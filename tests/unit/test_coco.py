"""COCO as a source: its parts and captions, what is chosen, and every kind of broken folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from collections_on_disk import CAPTIONS, write_coco, zip_coco
from pictures import SIZE, data_of, picture, rows_of, run_prepare
from PIL import Image

from ldm_scaling.data import prepare
from ldm_scaling.data.sources import coco
from ldm_scaling.data.sources.records import load_pixels
from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.study.data import Data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images in train2014, eight in val2014."""
    write_coco(tmp_path / "coco")
    return tmp_path / "coco"


def coco_data(folder: Path, **more) -> Data:
    return Data(**data_of(folder, **more).model_dump() | {"source": "coco"})


def numbers(out: Path, split: str) -> list[int]:
    return [int(row["concept"]) for row in rows_of(out, split)]


def test_splits_come_from_the_parts_that_have_room_for_both(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, coco_data(folder), tmp_path / "out")
    found = {split: numbers(tmp_path / "out", split) for split in prepare.SPLITS}
    assert {split: len(of_split) for split, of_split in found.items()} == {
        "train": 12 - 4,
        "validation": 4,
        "test": 6,
    }
    assert set(found["test"]) <= set(range(200, 208))
    assert sorted(found["train"] + found["validation"]) == list(range(100, 112))


def test_pixels_and_captions_are_those_of_the_image(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, coco_data(folder), tmp_path / "out")
    for split in prepare.SPLITS:
        images = map_array(tmp_path / "out" / f"{split}.safetensors", "images")
        for image, row in zip(images, rows_of(tmp_path / "out", split), strict=True):
            number = int(row["concept"])
            assert re.fullmatch(rf"caption [0-{CAPTIONS - 1}] of {number}", row["caption"])
            assert row["name"].endswith(f"{number:012d}.jpg")
            with Image.open(folder / row["name"]) as original:
                square = original.crop((2, 0, 18, 16)).resize(
                    (SIZE, SIZE), Image.Resampling.LANCZOS
                )
            np.testing.assert_array_equal(image, np.asarray(square).transpose(2, 0, 1))


def test_archives_are_read_as_folders_are(folder, monkeypatch, tmp_path):
    run_prepare(monkeypatch, coco_data(folder), tmp_path / "a")
    zip_coco(folder)
    assert not (folder / "val2014").exists()
    run_prepare(monkeypatch, coco_data(folder), tmp_path / "b")
    for split in prepare.SPLITS:
        for kind in ("csv", "safetensors"):
            name = f"{split}.{kind}"
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_choice_and_captions_depend_on_the_seed_alone(folder, monkeypatch, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_prepare(monkeypatch, coco_data(folder, test=5), tmp_path / name, seed)
    a, b, c = ((tmp_path / name / "test.csv").read_bytes() for name in "abc")
    assert a == b != c
    captions = {row["caption"].split()[1] for row in rows_of(tmp_path / "a", "train")}
    assert len(captions) > 1, "not always an image's first caption"
    # more images: those that were chosen stay, in their order
    run_prepare(monkeypatch, coco_data(folder, test=8), tmp_path / "d")
    assert numbers(tmp_path / "d", "test")[:5] == numbers(tmp_path / "a", "test")


def test_only_what_is_chosen_is_decoded(folder, monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(
        "ldm_scaling.data.spool.load_pixels", lambda *own: read.append(own) or load_pixels(*own)
    )
    run_prepare(
        monkeypatch, coco_data(folder, test=3, validation=2, max_images=7), tmp_path / "out"
    )
    assert len(read) == 7
    assert len(numbers(tmp_path / "out", "train")) == 2


def test_a_copy_is_replaced_by_another_image(folder, monkeypatch, tmp_path):
    names = sorted((folder / "val2014").iterdir())
    names[0].write_bytes(names[1].read_bytes())
    run_prepare(monkeypatch, coco_data(folder, test=7), tmp_path / "out")
    images = map_array(tmp_path / "out" / "test.safetensors", "images")
    assert len(np.unique(images, axis=0)) == 7


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"test": 9}, "data.splits.test: 9 images are asked for, but {} has only 8"),
        ({"validation": 13}, "nothing is left for training"),
        ({"validation": 12}, "nothing is left for training"),
    ],
)
def test_too_few_images_name_the_key(folder, monkeypatch, tmp_path, more, says):
    with pytest.raises(InputError) as caught:
        run_prepare(monkeypatch, coco_data(folder, **more), tmp_path / "out")
    assert says.format(folder) in str(caught.value)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- evaluation


def evaluated(images: Path, source: str, path: Path, **more) -> Data:
    evaluation = {"source": source, "path": str(path)}
    return Data(**data_of(images, **more).model_dump() | {"evaluation": evaluation})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images with metadata.csv."""
    path = tmp_path / "images"
    path.mkdir()
    for number in range(10):
        picture(number, size=(20, 16)).save(path / f"{number}.png")
    rows = [f"{number}.png,image {number}" for number in range(10)]
    (path / "metadata.csv").write_text("\n".join(["file_name,text", *rows]))
    return path


def test_held_out_images_of_another_source(folder, images, monkeypatch, tmp_path):
    run_prepare(monkeypatch, evaluated(images, "coco", folder), tmp_path / "a")
    assert len(rows_of(tmp_path / "a", "train")) == 10, "all of the source"
    assert set(numbers(tmp_path / "a", "test")) <= set(range(200, 208))
    run_prepare(monkeypatch, coco_data(folder), tmp_path / "b")
    assert rows_of(tmp_path / "a", "test") == rows_of(tmp_path / "b", "test")
    assert rows_of(tmp_path / "a", "validation") == rows_of(tmp_path / "b", "validation")


def test_an_image_folder_as_evaluation(folder, images, monkeypatch, tmp_path):
    main = coco_data(folder).model_dump()
    evaluation = {"source": "imagefolder", "path": str(images)}
    run_prepare(monkeypatch, Data(**main | {"evaluation": evaluation}), tmp_path / "out")
    assert sorted(numbers(tmp_path / "out", "train")) == list(range(100, 112))
    held_out = [
        row["caption"] for s in ("test", "validation") for row in rows_of(tmp_path / "out", s)
    ]
    assert sorted(held_out) == [f"image {number}" for number in range(10)]


def test_an_image_that_is_held_out_is_not_trained_on(folder, images, monkeypatch, tmp_path):
    same = images / "same.jpg"
    same.write_bytes((folder / "val2014" / "COCO_val2014_000000000203.jpg").read_bytes())
    with (images / "metadata.csv").open("a") as file:
        file.write("\nsame.jpg,a copy")
    run_prepare(monkeypatch, evaluated(images, "coco", folder, test=8), tmp_path / "out")
    assert "a copy" not in {row["caption"] for row in rows_of(tmp_path / "out", "train")}


def test_tar_shards_are_not_packed(folder, monkeypatch, tmp_path):
    data = evaluated(tmp_path, "coco", folder).model_dump() | {"source": "webdataset"}
    run_prepare(monkeypatch, Data(**data), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "test.csv",
        "test.safetensors",
        "validation.csv",
        "validation.safetensors",
    ]


def test_too_few_images_for_evaluation(folder, images, monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"data\.splits\.validation: 13 .* has only 12"):
        run_prepare(monkeypatch, evaluated(images, "coco", folder, validation=13), tmp_path / "o")


# ---------------------------------------------------------------- broken folders


def break_json(text: str, what: str) -> str:
    found = json.loads(text)
    if what == "truncated":
        return text[:-100]
    if what == "a list":
        return "[]"
    if what == "no annotations":
        del found["annotations"]
    if what == "no file name":
        del found["images"][1]["file_name"]
    if what == "no caption":
        found["annotations"] = [a for a in found["annotations"] if a["image_id"] != 203]
    if what == "empty caption":
        for annotation in found["annotations"]:
            annotation["caption"] = " \n"
    if what == "several captions":
        found["annotations"][0]["caption"] = ["a cat", "the cat"]
    if what == "half a character":
        found["annotations"][0]["caption"] = "a cat \ud83d"
    return json.dumps(found)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("truncated", "is truncated or not JSON"),
        ("a list", "does not have the layout of COCO's captions"),
        ("no annotations", "KeyError('annotations')"),
        ("no file name", "KeyError('file_name')"),
        ("no caption", "image 203 has no caption"),
        ("empty caption", "has no caption"),
        ("several captions", "annotation 200: caption is a list"),
        ("half a character", "annotation 200: caption has '\\ud83d'"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_broken_annotations_are_one_line_that_names_them(folder, what, says, zipped):
    path = folder / "annotations" / "captions_val2014.json"
    path.write_text(break_json(path.read_text(), what))
    if zipped:
        zip_coco(folder)
    with pytest.raises(InputError) as caught:
        coco.records(coco_data(folder), 0)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_image_may_have_captions_that_are_null(folder):
    path = folder / "annotations" / "captions_val2014.json"
    found = json.loads(path.read_text())
    for annotation in found["annotations"]:
        if annotation["id"] < 2000:
            annotation["caption"] = None
    path.write_text(json.dumps(found))
    records = coco.records(coco_data(folder), 0)["val2014"]
    assert {record.caption for record in records} == {f"caption 2 of {n}" for n in range(200, 208)}


@pytest.mark.parametrize("zipped", [False, True])
def test_missing_annotations(folder, zipped):
    path = folder / "annotations" / "captions_train2014.json"
    path.unlink()
    if zipped:
        zip_coco(folder)
    with pytest.raises(InputError, match=r"captions_train2014\.json is missing; fetch it again"):
        coco.records(coco_data(folder), 0)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("truncated", [False, True])
def test_a_missing_or_truncated_image_is_named(folder, monkeypatch, tmp_path, zipped, truncated):
    path = folder / "val2014" / "COCO_val2014_000000000203.jpg"
    whole = path.read_bytes()
    path.unlink()
    if truncated:
        path.write_bytes(whole[: len(whole) // 2])
    if zipped:
        zip_coco(folder)
    with pytest.raises(InputError) as caught:
        run_prepare(monkeypatch, coco_data(folder, test=8), tmp_path / "out")
    assert "val2014/COCO_val2014_000000000203.jpg is missing, truncated" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", coco.ARCHIVES)
def test_a_missing_or_truncated_archive_is_named(folder, name):
    zip_coco(folder)
    path = folder / coco.ARCHIVES[name]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=f"{path} is unusable .*; fetch it again"):
        coco.records(coco_data(folder), 0)
    path.unlink()
    with pytest.raises(InputError, match=f"{folder} has neither {name}/ nor {path.name}"):
        coco.records(coco_data(folder), 0)


def test_a_missing_folder_names_its_key(tmp_path):
    with pytest.raises(InputError, match=r"^data\.path: .*nowhere is not a folder"):
        coco.records(coco_data(tmp_path / "nowhere"), 0)
    evaluation = evaluated(tmp_path, "coco", tmp_path / "nowhere").evaluation
    with pytest.raises(InputError, match=r"^data\.evaluation\.path: .*nowhere is not a folder"):
        coco.records(evaluation, 0)
