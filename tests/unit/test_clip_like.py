"""The CLIP-like score on planted relations, by hand, and by its command."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ldm_scaling.cells import fit_clip_like
from ldm_scaling.cells.fit_clip_like import Split, contrast, deal, fit, same_thing
from ldm_scaling.cells.metrics.clip_like import Map, Scorer, read_scorer, scorer_arrays
from ldm_scaling.cells.retrieval import COLUMNS, HeldOut, choose_rows, look, retrieval_table
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.study.metrics import ClipLike

SETTINGS = ClipLike(width=8, epochs=5, batch=32, lr=0.01, dropout=0.1)
EACH = 3
"""images of a concept"""


def planted(concepts, seed, shuffle=False):
    """Images and captions that are linear in what their concept is, among other things."""
    own = np.random.default_rng(seed)
    of_all = np.random.default_rng(0)
    things = np.repeat(own.standard_normal((concepts, 8)), EACH, axis=0)
    sides = []
    for width in (24, 16):
        seen = things @ of_all.standard_normal((8, width))
        sides.append(seen + 0.1 * own.standard_normal(seen.shape))
    if shuffle:
        sides[1] = own.permutation(sides[1])
    names = [f"{row % EACH}/{row // EACH}.png" for row in range(len(things))]
    captions = [f"{seed} {name}" for name in names]
    return Split(*sides, captions, [f"{row // EACH}" for row in range(len(things))], names)


def recall(maps, held_out):
    places = HeldOut(
        maps.images(held_out.images), maps.texts(held_out.texts), held_out.concepts, held_out.names
    )
    rows = retrieval_table(places, ["0", "1", "2"], 50, 0.95, 0)
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_a_planted_relation_is_found_on_unseen_concepts():
    rows = recall(fit(planted(200, 1), SETTINGS, 0), planted(100, 2))
    assert [row["kind"] for row in rows] == ["held-out", "0", "1", "2"]
    for row in rows:
        assert row["candidates"] == 100
        assert row["recall_at_1"] > 0.95 and row["recall_at_10"] == 1
        assert row["recall_at_1_lo"] <= row["recall_at_1"] <= row["recall_at_1_hi"]
        assert row["matched"] > 0.9 and abs(row["shuffled"]) < 0.1


def test_there_is_nothing_to_find_in_shuffled_captions():
    held_out, *_ = recall(fit(planted(200, 1, shuffle=True), SETTINGS, 0), planted(100, 2))
    assert held_out["recall_at_1"] < 0.05, "1 in 100 by chance"
    assert abs(held_out["matched"] - held_out["shuffled"]) < 0.15


def test_the_same_seed_gives_the_same_maps():
    first, again, other = (fit(planted(30, 1), SETTINGS, seed) for seed in (0, 0, 1))
    for ours, theirs in zip(first[:2], again[:2], strict=True):
        assert all(map(np.array_equal, ours, theirs))
    assert first.temperature == again.temperature
    assert not np.array_equal(first.images.weight, other.images.weight)


def test_a_step_follows_the_symmetric_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    sides = [torch.randn(6, width, generator=generator) for width in (5, 4)]
    start = [torch.randn(width, 3, generator=generator) for width in (5, 4)]
    rows = np.array([4, 0, 3])
    settings = SETTINGS.model_copy(update={"dropout": 0})
    weights = [nn.Parameter(own.clone()) for own in start]
    scale = nn.Parameter(torch.tensor(2.0))
    contrast(sides, weights, scale, [rows], settings)

    expected = [nn.Parameter(own.clone()) for own in start]
    free = nn.Parameter(torch.tensor(2.0))
    x, y = (side[rows] @ own for side, own in zip(sides, expected, strict=True))
    x, y = (v / (v**2).sum(dim=1, keepdim=True).sqrt() for v in (x, y))
    chances = (free.exp() * x @ y.T).exp()
    own = chances.diag()
    loss = -((own / chances.sum(1)).log() + (own / chances.sum(0)).log()).mean() / 2
    loss.backward()
    with torch.no_grad():
        for parameter, decay in (*((w, 0.1) for w in expected), (free, 0)):
            # the first step of AdamW
            kept = parameter * (1 - settings.lr * decay)
            step = parameter.grad / (parameter.grad.abs() + 1e-8)
            parameter.copy_(kept - settings.lr * step)
    for ours, theirs in zip([*weights, scale], [*expected, free], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_equal_concepts_and_captions_are_one_thing():
    groups = same_thing(["a", "a", "b", "c", "d"], ["1", "2", "2", "3", "4"])
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups)) == 3


@pytest.mark.parametrize(("largest", "count"), [(2, 5), (9, 9)])
def test_no_batch_has_a_thing_twice(largest, count):
    groups = np.array([0] * largest + [1 + row // 2 for row in range(50 - largest)])
    dealt = deal(groups, 10, np.random.default_rng(0))
    assert len(dealt) == count
    assert sorted(np.concatenate(dealt)) == list(range(50))
    assert all(len(set(groups[rows])) == len(rows) <= 10 for rows in dealt)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 17}, "metrics.clip_like.width: these features allow 16 at most"),
        ({"lr": 1e30}, "metrics.clip_like.lr: fitting diverged"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(changes, says):
    with pytest.raises(InputError, match=says):
        fit(planted(30, 1), SETTINGS.model_copy(update=changes), 0)


def test_one_concept_cannot_be_told_from_another():
    with pytest.raises(InputError, match="all training captions are of one concept"):
        fit(planted(1, 1), SETTINGS, 0)


# ---------------------------------------------------------------- scoring


def test_a_score_is_the_cosine_of_what_is_mapped():
    images = Map(np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.array([[1.0, 0.0], [0.0, 2.0]]))
    scorer = Scorer(images, np.array([[1.0, 0.0], [0.6, 0.8]]))
    # (7 - 1) / 2 = 3 and 2 * 2 = 4: the direction (0.6, 0.8)
    features = np.array([[7, 2], [7, 2]], dtype=np.float16)
    assert scorer(features) == pytest.approx([0.6, 1.0])
    assert scorer(np.array([[1.0, 0.0]] * 2)) == pytest.approx([0, 0]), "nothing lies nowhere"


def test_a_scorer_is_read_as_it_was_written(tmp_path):
    maps = fit(planted(30, 1), SETTINGS, 0)
    held_out = planted(10, 2)
    captions = maps.texts(held_out.texts)
    write_arrays(tmp_path / "maps", scorer_arrays(*maps, captions), "f")
    scores = read_scorer(tmp_path / "maps", 20, 24)(held_out.images[:20])
    direct = (maps.images(held_out.images) * captions).sum(axis=1)[:20]
    np.testing.assert_allclose(scores, direct, atol=1e-5)
    assert map_array(tmp_path / "maps", "temperature")[0] == pytest.approx(maps.temperature)
    for n, width, says in ((31, 24, "30 captions, fewer than"), (20, 25, "width 24, not 25")):
        with pytest.raises(InputError, match=says):
            read_scorer(tmp_path / "maps", n, width)
    with pytest.raises(InputError, match="--clip-like FILE is needed"):
        read_scorer(None, 20, 24)


# ---------------------------------------------------------------- retrieval


def test_looking_by_hand():
    captions = np.eye(12)[:, :3].copy()
    captions[:3] = np.eye(3)
    captions[3] = captions[0]
    images = captions.copy()
    images[1] = [0.8, 0.6, 0]  # nearer to captions 0 and 3, which are equal
    first, tenth, matched, shuffled = look(images, captions)
    assert first[:4].tolist() == [1, 0, 1, 1], "an equal caption is no wrong one"
    assert tenth[1] == 1
    assert matched[:3] == pytest.approx([1, 0.6, 1])
    assert shuffled[1] == pytest.approx((0.8 + 0.8) / 11)


def test_candidates_are_one_row_of_each_concept_in_every_style():
    held_out = planted(500, 2)
    names = [*held_out.names[:-1], "elsewhere/1.png"]  # the last concept lacks a style
    chosen = choose_rows(held_out.concepts, names, ["0", "1", "2"], 0)
    things = [[held_out.concepts[row] for row in rows] for rows in chosen.values()]
    assert things[0] == things[1] == things[2]
    assert len(set(things[0])) == 400 and "499" not in things[0]
    assert all(names[row].startswith(f"{style}/") for style in chosen for row in chosen[style])
    assert list(choose_rows(held_out.concepts, names, [], 0)) == [""]
    again = choose_rows(held_out.concepts, names, ["0", "1", "2"], 1)
    assert not np.array_equal(again["0"], chosen["0"])
    with pytest.raises(InputError, match="no held-out concept has images of all styles"):
        choose_rows(held_out.concepts, names, ["0", "3"], 0)


# ---------------------------------------------------------------- the command

SPEC = {
    "seed": 0,
    "text_encoder": {"pretrained": "minilm-l6", "max_tokens": 12, "width": 384},
    "clip_like": SETTINGS.model_dump(),
    "styles": ["noto"],
    "bootstrap": 20,
    "confidence": 0.9,
}
WORDS = ["cat", "dog", "moon", "apple", "train", "violin", "rain", "crown", "anchor", "candle"]
WORDS += ["robot", "whale"]


def write_split(folder, split, words, seed):
    lines = [f"{row},{word},a {word},noto/{word}.png\n" for row, word in enumerate(words)]
    (folder / f"{split}.csv").write_text("index,concept,caption,name\n" + "".join(lines))
    features = np.random.default_rng(seed).standard_normal((len(words), 10)).astype(np.float16)
    write_arrays(folder / split, {"features": features}, f"{seed}")


def command(folder, monkeypatch):
    options = [f"--spec={json.dumps(SPEC)}", f"--out={folder / 'maps'}"]
    options.append(f"--retrieval-out={folder / 'retrieval.csv'}")
    for split in ("train", "validation", "test"):
        options += [f"--{split}={folder / split}", f"--{split}-captions={folder / split}.csv"]
    monkeypatch.setattr(sys, "argv", ["fit_clip_like", *options])
    run(fit_clip_like.main)


@pytest.fixture
def splits(tmp_path):
    write_split(tmp_path, "train", WORDS[:8] * 2, 0)
    write_split(tmp_path, "validation", WORDS[8:10], 1)
    write_split(tmp_path, "test", WORDS[10:], 2)
    return tmp_path


def test_only_the_training_split_decides_the_maps(splits, monkeypatch):
    command(splits, monkeypatch)
    names = [f"{side}_{part}" for side in ("image", "text") for part in Map._fields]
    before = {name: map_array(splits / "maps", name).copy() for name in [*names, "temperature"]}
    captions = map_array(splits / "maps", "captions").copy()
    assert captions.shape == (2, 8)
    assert np.linalg.norm(captions, axis=1) == pytest.approx([1, 1], abs=1e-6)
    rows = list(csv.DictReader((splits / "retrieval.csv").open()))
    assert [(row["kind"], row["candidates"]) for row in rows] == [("held-out", "4"), ("noto", "4")]

    write_split(splits, "validation", WORDS[9:11], 3)
    write_split(splits, "test", [*WORDS[11:], "pear", "hill"], 4)
    command(splits, monkeypatch)
    for name, array in before.items():
        assert np.array_equal(map_array(splits / "maps", name), array), name
    assert map_array(splits / "maps", "captions").shape == (3, 8)

    write_split(splits, "train", WORDS[:8] * 2, 5)
    command(splits, monkeypatch)
    assert not np.array_equal(map_array(splits / "maps", "image_weight"), before["image_weight"])


def test_features_and_captions_must_be_as_many(splits, monkeypatch, capsys):
    write_split(splits, "test", WORDS[9:], 0)
    write_arrays(splits / "test", {"features": np.zeros((2, 10), np.float16)}, "f")
    with pytest.raises(SystemExit) as stop:
        command(splits, monkeypatch)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and "has 2 images" in error[0] and "test.csv 3 rows" in error[0]
    assert not (splits / "maps").exists()
