"""What the explorer is made of: tables as they are, settings that nobody listed, small images."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import synthetic
from explored import CAPTIONS, GUIDE, METRICS, SCORE, SIDE, shades, write_images, write_tables
from PIL import Image

from ldm_scaling.explorer import images
from ldm_scaling.explorer.__main__ import main
from ldm_scaling.explorer.content import contents
from ldm_scaling.explorer.images import Sampled, thumbnails
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.plan.report import Device, Row, to_csv
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import explorer as rule


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made-up")
    write_tables(folder)
    return folder


def content_of(page):
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page)
    return json.loads(found[1])


def test_values_are_those_of_the_table(results):
    frontier = write_tables(results / "again")
    content = contents(results / "tables", None)
    assert list(content["measured"]) == METRICS
    for metric, rows in content["measured"].items():
        expected = frontier[frontier["metric"] == metric]
        assert [row["cell"] for row in rows] == expected["cell"].to_list()
        for name in ("value", "lo", "hi"):
            values = [row.get(name, np.nan) for row in rows]
            np.testing.assert_array_equal(values, expected[name])
        halves = np.array([row["halves"] or [np.nan] * 32 for row in rows])
        np.testing.assert_array_equal(halves, expected.filter(like="half_"))


def test_a_setting_that_no_code_knows_is_one(results):
    content = contents(results / "tables", None)
    known = [value["value"] for value in content["settings"][GUIDE]["values"]]
    assert known == ["itself", "c8"]
    assert {cell["settings"].get(GUIDE) for cell in content["cells"]} == {None, *known}
    assert content["settings"]["steps"]["numeric"] and not content["settings"][GUIDE]["numeric"]


def test_values_of_a_setting_differ_in_colour_and_marker(results):
    for setting in contents(results / "tables", None)["settings"].values():
        for look in ("color", "symbol", "mark", "label"):
            looks = [value[look] for value in setting["values"]]
            assert len(set(looks)) == len(looks)


def test_a_score_has_the_other_sign(results):
    metrics = contents(results / "tables", None)["metrics"]
    assert [metrics[name]["sign"] for name in (synthetic.METRIC, SCORE)] == [1, -1]


def test_a_metric_that_no_cell_has_is_not_offered(tmp_path):
    frontier = write_tables(tmp_path)
    frontier.loc[frontier["metric"] == SCORE, ["value", "lo", "hi"]] = np.nan
    frontier.to_csv(tmp_path / "tables/frontier.csv", index=False)
    content = contents(tmp_path / "tables", None)
    assert list(content["metrics"]) == list(content["measured"]) == [synthetic.METRIC]


def test_times_of_jobs_are_summed_by_rule(results):
    cost = contents(results / "tables", None)["cost"]
    assert cost["rows"] == [["sweep", 1, 1234, 512]]


def test_without_times_the_plan_is_shown(results, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "frontier.csv").write_text(
        (results / "tables" / "frontier.csv").read_text()
    )
    row = Row("sweep", 3, 0, 2e15, 1.5, 1.0, 1.0, 1.0, 1.0, "")
    (tmp_path / "plan.csv").write_text(to_csv([row], Device("a100", 30)))
    cost = contents(tmp_path / "tables", None)["cost"]
    assert cost["rows"] == [["sweep", 3, "2e+15", "1.5"]]
    assert cost["total"] == "2e+15 FLOPs, 1.5 hours of one a100 at 30 %"


def test_the_rule_names_the_images_of_every_cell_of_the_frontier(pocket_config):
    study = load_study(pocket_config)
    words, given = rule.images(study), rule.inputs(study)
    named = [tuple(words[at + 1 : at + 6]) for at in range(0, len(words), 6)]
    assert set(words[::6]) == {"--images"} and [own[-1] for own in named] == given["images"]
    folder = "results/cells/pretrain/c12/seed0/ddim"
    file = "images.safetensors"
    assert ("pretrain", "c12", "ddim", "trailing", f"{folder}/{file}") in named
    assert ("pretrain", "c12", "ddim", "leading", f"{folder}/leading/{file}") in named
    assert {own[0] for own in named} >= {"pretrain", "distill", "guided_distill4", "stitch"}
    assert not any("superres" in own[0] for own in named)
    kinds = {Path(path).suffix for path in given["sources"]}
    assert kinds == {".py", ".html", ".css", ".js"}


def test_tables_alone_make_a_page(results, tmp_path, command):
    (tmp_path / "tables").mkdir()
    frontier = (results / "tables" / "frontier.csv").read_text()
    (tmp_path / "tables" / "frontier.csv").write_text(frontier)
    out = tmp_path / "explorer.html"
    assert command(main, "--tables", tmp_path / "tables", "--out", out) == (0, [])
    page = out.read_text()
    content = content_of(page)
    assert content["claims"] == content["levers"] == content["floors"] == []
    assert content["study"] is content["cost"] is None
    assert len(page) < 3_000_000
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []


def test_what_captions_say_stays_text(results, tmp_path, command):
    options = write_images(tmp_path)
    captions = tmp_path / "captions.csv"
    captions.write_text(captions.read_text().replace("<b>bold</b>", "</script><script>alert(1)"))
    out = tmp_path / "explorer.html"
    assert command(main, "--tables", results / "tables", "--out", out, *options) == (0, [])
    assert content_of(out.read_text())["images"]["captions"][0].startswith("thing 0, </script>")


def test_without_a_frontier_the_error_names_the_file(tmp_path, command):
    status, lines = command(main, "--tables", tmp_path, "--out", tmp_path / "explorer.html")
    assert status == 2 and len(lines) == 1 and "frontier.csv" in lines[0]


def cell(number, **settings):
    kept = {"stage": "pretrain", "size": "c8", "sampler": "ddim", "schedule": "trailing"}
    return {"cell": number, "settings": kept | {"steps": 2, "guidance": 1.0} | settings}


@pytest.fixture
def sampled(tmp_path):
    """Images of two cells of one model; those of another cell failed."""
    file = tmp_path / "images.safetensors"
    known = {name: shades(name) for name in ("steps2_guidance1", "steps4_guidance1")}
    empty = np.zeros((0, 3, SIDE, SIDE), np.uint8)
    write_arrays(file, {**known, "steps8_guidance1": empty}, "")
    return Sampled("pretrain", "c8", "ddim", "trailing", str(file))


def decoded(address):
    """The image of a data: address."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_images_are_the_cells_own(sampled):
    failed, not_sampled, of_another = cell(9, steps=8), cell(10, steps=3), cell(11, sampler="ddpm")
    cells = [cell(7), cell(8, steps=4), failed, not_sampled, of_another]
    found = thumbnails(cells, [sampled], CAPTIONS)
    assert found["captions"] == CAPTIONS[:8]
    assert set(found["cells"]) == {7, 8}
    for number, name in ((7, "steps2_guidance1"), (8, "steps4_guidance1")):
        for address, original in zip(found["cells"][number], shades(name)[:8], strict=True):
            np.testing.assert_allclose(decoded(address), original.transpose(1, 2, 0), atol=6)


def test_cells_that_share_images_have_none(sampled):
    """Two cells that differ in what no file name says must not show each other's images."""
    cells = [cell(7), cell(8, guide="c8"), cell(9, steps=4)]
    assert set(thumbnails(cells, [sampled], CAPTIONS)["cells"]) == {9}


def test_large_images_are_scaled_and_many_are_left_out(tmp_path, monkeypatch):
    file = tmp_path / "images.safetensors"
    noise = np.random.default_rng(0).integers(0, 256, (8, 3, 200, 200)).astype(np.uint8)
    write_arrays(file, {"steps2_guidance1": noise}, "")
    sampled = Sampled("pretrain", "c8", "ddim", "trailing", str(file))
    (whole,) = thumbnails([cell(0)], [sampled], CAPTIONS)["cells"].values()
    assert len(whole) == 8 and decoded(whole[0]).shape == (96, 96, 3)
    monkeypatch.setattr(images, "_BYTES", 3 * max(map(len, whole)))
    few = thumbnails([cell(0)], [sampled], CAPTIONS)
    assert few["cells"] == {0: whole[:3]} and few["captions"] == CAPTIONS[:3]
