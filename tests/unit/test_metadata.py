"""Captions and metadata that would lose text are refused, or come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import data_of, metadata, picture, run_prepare

from ldm_scaling.data import prepare
from ldm_scaling.data.captions import read_column
from ldm_scaling.data.sources import imagefolder
from ldm_scaling.data.sources.records import Record
from ldm_scaling.jobs.cli import InputError


def captions_of(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The captions of all splits, as later commands read them."""
    run_prepare(monkeypatch, data_of(folder), out)
    splits = ("train", "validation", "test")
    return [text for split in splits for text in read_column(out / f"{split}.csv", "caption")]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("0.png,a cat, asleep on a sofa", "line 2: 3 values for 2 columns"),
        ('0.png,a cat\ndeep/er/1.png,"a dog\n2.png,a cow', "line 3: the quotes do not match"),
        ('0.png,"a cat\ndeep/er/1.png,"a dog"', "line 2: the quotes do not match"),
        ('0.png,"a cat" asleep', "line 2: the quotes do not match"),
    ],
)
def test_csv_that_would_lose_text_is_refused(folder, rows, says):
    (folder / "metadata.csv").write_text(f"file_name,text\n{rows}\n")
    with pytest.raises(InputError) as caught:
        imagefolder.records(data_of(folder))
    assert str(caught.value).startswith(f"{folder / 'metadata.csv'}, {says}")


def test_csv_of_a_spreadsheet_may_end_its_rows_with_commas(folder):
    (folder / "metadata.csv").write_text(
        'file_name,text,,\n0.png,"a cat, 5"" tall",,,\n2.png,a cow'
    )
    found = [record.caption for record in imagefolder.records(data_of(folder))]
    assert found == ['a cat, 5" tall', "a cow"]


def test_one_name_for_two_columns_is_refused(folder):
    (folder / "metadata.csv").write_text("file_name,text,text\n0.png,a cat,a dog")
    with pytest.raises(InputError, match="two columns text"):
        imagefolder.records(data_of(folder))


def test_two_metadata_files_are_refused(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a cat"}\n')
    with pytest.raises(InputError, match=r"both metadata\.csv and metadata\.jsonl"):
        imagefolder.records(data_of(folder))


@pytest.mark.parametrize("column", ["text", "caption", "concept"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (["a cat", "the cat"], "is a list, not text"),
        ({"en": "a cat"}, 'is {"en": "a cat"}, not text'),
        (float("nan"), "is NaN, not text"),
        (True, "is true, not text"),
        ("a cat \ud83d", r"has '\ud83d', which is half of a character"),
    ],
)
def test_what_is_no_text_does_not_become_a_caption(folder, column, value, says):
    metadata(
        folder, {"file_name": "0.png", "text": "" if column != "concept" else "a", column: value}
    )
    with pytest.raises(InputError) as caught:
        imagefolder.records(data_of(folder))
    assert str(caught.value).startswith(f"{folder / 'metadata.jsonl'}, row 1: {column} {says}")


def test_captions_come_back_from_the_split_as_they_were(folder, monkeypatch, tmp_path):
    odd = [
        "a cat\rasleep",
        "two\r\nlines",
        'in "quotes", yes',
        "Å ねこ 😀",
        "long " * 40_000 + "end",
    ]
    rows = [
        {
            "file_name": f"deep/er/{n}.png" if n % 2 else f"{n}.png",
            "text": (odd[n:] or [f"cat {n}"])[0],
        }
        for n in range(30)
    ]
    metadata(folder, *rows)
    found = captions_of(folder, tmp_path / "out", monkeypatch)
    lines = ["a cat\nasleep", "two\nlines", *odd[2:], *(f"cat {n}" for n in range(5, 30))]
    assert sorted(found) == sorted(lines)


def test_a_file_whose_name_is_no_text_is_named_in_the_split(tmp_path):
    row = Record("a", "a", "caf\udce9.png", lambda: None)  # Latin-1 on a disk that is read as UTF-8
    (tmp_path / "test.csv").write_text(prepare.captions_csv([row]), encoding="utf-8")
    assert read_column(tmp_path / "test.csv", "name") == [r"caf\udce9.png"]


@pytest.mark.parametrize(("count", "says"), [(1, "have 1 concept:"), (9, "have only ")])
def test_few_different_captions_are_told_to_be_few_concepts(monkeypatch, tmp_path, count, says):
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [{"file_name": f"{n}.png", "text": f"a photo of {n % count}"} for n in range(90)]
    for number, row in enumerate(rows):
        picture(number).save(folder / row["file_name"])
    metadata(folder, *rows)
    with pytest.raises(InputError, match=says) as caught:
        run_prepare(monkeypatch, data_of(folder, 16, 20), tmp_path / "out")
    assert "its own value in a column concept" in str(caught.value)
