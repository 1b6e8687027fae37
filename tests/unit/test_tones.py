"""Skin tones that captions do not name: which drawings a study has, and what measures bias."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import run_here
from pictures import data_of, picture, rows_of, run_prepare
from plans import changed
from pydantic import ValidationError

from ldm_scaling.data.prepare_tones import prompts
from ldm_scaling.data.sources import emoji
from ldm_scaling.data.sources.tones import drawn
from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.study.fields import StudyError
from ldm_scaling.workflow.specs.bias import TonesSpec

TONES = ["1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"]
STYLES = {"noto": "png", "fluent": "webp"}
TONED, UNTONED = 10, 12
"""concepts with all tones in both styles, and without any"""
LACKING = "1F450"
"""a concept whose tones the second style lacks"""
SEVERAL = f"1F440-{TONES[0]}-{TONES[4]}"
"""a drawing of a concept with all tones that shows two of them"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zip of hands with all tones, faces without, and one hand that lacks tones in a style."""
    path, labels, number = tmp_path / "emoji.zip", {}, 0
    hands = [f"1F44{place:X}" for place in range(TONED)]
    with zipfile.ZipFile(path, "w") as file:
        for style, kind in STYLES.items():
            for concept in [*hands, LACKING, *(f"1F6{place:02X}" for place in range(UNTONED))]:
                toned = concept in hands or (concept == LACKING and style == "noto")
                drawn = [concept, *(f"{concept}-{tone}" for tone in TONES if toned)]
                for hexcode in [*drawn, SEVERAL] if concept == hands[0] else drawn:
                    labels[hexcode] = f"sign {concept}" + (
                        ": a skin tone" if "-" in hexcode else ""
                    )
                    stream = io.BytesIO()
                    picture(number).save(stream, kind, lossless=True)
                    file.writestr(f"{style}/{hexcode}.{kind}", stream.getvalue())
                    number += 1
        file.writestr("labels.json", json.dumps(labels))
    return path


def data(share=0.8, validation=10, test=14):
    styles = list(STYLES)
    return data_of(None, validation, test, styles=styles, skin_tones={"share": share})


def tone_in(name):
    """The tone of a member of the archive, by its name."""
    return next((n for n, tone in enumerate(TONES, 1) if name.split(".")[0].endswith(tone)), None)


def test_concepts_with_all_tones_have_light_and_dark_drawings_whose_captions_do_not_say_so(archive):
    records = emoji.records(data(), archive)
    toned = [record for record in records if record.tone]
    assert len(toned) == TONED * len(STYLES) * 4
    assert {record.tone for record in toned} == {1, 2, 4, 5}
    assert all(tone_in(record.name) == record.tone for record in records)
    assert not any("tone" in record.caption for record in records)
    others = Counter(record.concept for record in records if record.tone is None)
    assert others[LACKING] == len(STYLES), "its yellow drawings"
    assert len(others) == UNTONED + 1 and set(others.values()) == {len(STYLES)}


@pytest.mark.parametrize(("share", "light"), [(0.8, 32), (0.5, 20), (1, 40), (0.31, 12)])
def test_light_tones_have_their_share(archive, share, light):
    # 10 concepts in 2 styles are 20 captions; each keeps 2 drawings: 40
    kept = [record for record in drawn(emoji.records(data(), archive), share, 0) if record.tone]
    assert len(kept) == 40
    assert sum(record.tone < 3 for record in kept) == light
    per_caption = Counter(record.caption for record in kept)
    assert set(per_caption.values()) == {2}


def test_the_draw_is_that_of_the_seed(archive):
    records = emoji.records(data(), archive)
    names = [[own.name for own in drawn(records, 0.8, seed)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    shuffled = drawn(records[::-1], 0.8, 0)
    assert sorted(own.name for own in shuffled) == sorted(names[0]), "whatever the order"


def test_splits_say_which_image_has_which_tone(archive, monkeypatch, tmp_path):
    run_prepare(monkeypatch, data(), tmp_path / "out", archive=archive)
    tones = []
    for split in ("train", "validation", "test"):
        for row in rows_of(tmp_path / "out", split):
            assert row["tone"] == str(tone_in(row["name"]) or "")
            tones.append(row["tone"])
    assert sum(tone in "12" for tone in tones if tone) == 32
    assert sum(tone in "45" for tone in tones if tone) == 8
    plain = data_of(None, 4, 6, styles=["noto"])
    run_prepare(monkeypatch, plain, tmp_path / "plain", archive=archive)
    assert "tone" not in rows_of(tmp_path / "plain", "train")[0]


def test_other_sources_have_no_tones():
    with pytest.raises(ValidationError, match="skin_tones: a share is for source emoji"):
        data_of(Path("x"), skin_tones={"share": 0.8})


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        ({"share": 1.5}, "data.skin_tones.share", "less than or equal to 1"),
        ({"part": 0.5}, "data.skin_tones", "share"),
        ("some", "data.skin_tones", "'drop' or 'keep'"),
    ],
)
def test_a_wrong_share_is_named(value, key, message):
    with pytest.raises(StudyError, match=rf"^config key {key}\b.*{message}"):
        changed(data={"skin_tones": value})


def test_every_tone_and_the_balanced_images_are_packed(archive, monkeypatch, tmp_path):
    out = tmp_path / "out"
    run_prepare(monkeypatch, data(), out, archive=archive)
    spec = TonesSpec(seed=0, data=data(), reference=0.5, n=16, prompts=None)
    run = partial(run_here, "data.prepare_tones")
    done = run("--spec", spec.model_dump_json(), "--archive", archive, "--splits", out)
    assert done.returncode == 0, done.stderr
    of_split = {split: rows_of(out, split) for split in ("train", "validation", "test")}
    rows = rows_of(out, "tones")
    concepts = {own: {row["concept"] for row in found} for own, found in of_split.items()}
    # yellow, and five tones; also of what no split has
    assert Counter(row["tone"] for row in rows) == dict.fromkeys("012345", TONED * len(STYLES))
    assert all(row["tone"] == str(tone_in(row["name"]) or 0) for row in rows)
    assert not any("tone" in row["caption"] for row in rows)
    assert not any(row["tone"] in ("0", "3") for found in of_split.values() for row in found)
    assert all(row["concept"] in concepts[row["split"]] for row in rows)
    images = map_array(out / "tones.safetensors", "images")
    place = {row["name"]: number for number, row in enumerate(rows)}
    before, after = (
        np.array(map_array(out / f"{name}.safetensors", "images")) for name in ("train", "balanced")
    )
    light, captions = Counter(), defaultdict(set)
    for number, row in enumerate(of_split["train"]):
        if not row["tone"]:
            np.testing.assert_array_equal(after[number], before[number])
            continue
        same = [own for own in place if (images[place[own]] == after[number]).all()]
        (name,) = same
        shown = next(own for own in rows if own["name"] == name)
        assert shown["caption"] == row["caption"], "its embedding stays"
        light[shown["tone"] in "12"] += 1
        captions[row["caption"]].add(name)
    assert light[True] == light[False] > 0
    assert all(len(names) == 2 for names in captions.values()), "no drawing twice"
    asked = rows_of(out, "prompts")
    assert len(asked) == 16
    for row in asked:
        own = of_split["test"][int(row["row"])]
        assert own["tone"] and own["caption"] == row["caption"]
    different = len({row["caption"] for row in asked})
    assert [row["caption"] for row in asked[different:]] == [
        row["caption"] for row in asked[: 16 - different]
    ], "in turn"


def test_prompts_are_different_captions_and_as_many_as_asked_for():
    rows = [
        {"concept": str(n // 2), "caption": f"caption {n // 2}", "tone": "1" if n > 1 else ""}
        for n in range(8)
    ]
    spec = TonesSpec(seed=0, data=data(), reference=0.5, n=16, prompts=2)
    assert [line[3] for line in prompts(spec, rows)] == [2, 4] * 8
    with pytest.raises(InputError, match="no test image has a tone"):
        prompts(spec, rows[:2])
