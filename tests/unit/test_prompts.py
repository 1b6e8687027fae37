"""Studies of adopted models with prompts alone, or with images of another source."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from collections_on_disk import write_coco
from pictures import picture, rows_of
from snakemake.utils import update_config
from studies import put

from ldm_scaling.data import prepare
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import paths, settings, targets
from ldm_scaling.workflow.inputs import Inputs
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.claims import ClaimsSpec
from ldm_scaling.workflow.specs.data import PrepareSpec
from ldm_scaling.workflow.specs.measuring import MeasureSpec
from ldm_scaling.workflow.specs.tables import SearchCostSpec

N = 16
PROMPTS = [f"a red cat number {number}, with a sign" for number in range(20)]
ADOPTED = {"models": [{"name": "one", "pretrained": "folder", "side": 32}], "reference": "one"}
EFFNET = {"name": "effnet_lite0", "input_size": 64, "components": 8}
CLIP = {"name": "clip_score", "pretrained": "a folder"}
SCORED = {"extractors": [], "select_by": "clip_score", "scorers": [CLIP]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A text file of prompts, with empty lines between them."""
    path = tmp_path / "prompts.txt"
    path.write_bytes(("\ufeff" + "\r\n\n".join(PROMPTS) + "\n").encode())
    return path


@pytest.fixture
def config(pocket_config: dict[str, Any], file: Path) -> dict[str, Any]:
    """A study of prompts alone."""
    data = {"evaluation": {"source": "prompts", "path": str(file)}}
    update_config(pocket_config, {"adopted": ADOPTED, "data": data, "metrics": SCORED})
    pocket_config["sampling"] |= {"n": N, "other_schedules": None}
    return pocket_config


def prepared(config: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What rule prepare_data of a study writes."""
    spec = PrepareSpec.of(load_study(config)).model_dump_json()
    monkeypatch.setattr("sys.argv", ["prepare", "--spec", spec, "--out", str(out)])
    prepare.main()
    return out


def test_a_prompt_is_its_own_concept_in_the_order_of_the_file(config, tmp_path, monkeypatch):
    out = prepared(config, tmp_path / "out", monkeypatch)
    assert [path.name for path in out.iterdir()] == ["test.csv"]
    rows = rows_of(out, "test")
    assert [row["caption"] for row in rows] == [row["concept"] for row in rows] == PROMPTS
    assert rows[1]["name"] == f"{tmp_path / 'prompts.txt'}:3"
    assert [row["index"] for row in rows] == [str(number) for number in range(len(PROMPTS))]


def test_a_prompt_with_commas_and_quotes_is_one(config, file, tmp_path, monkeypatch):
    odd = ['"quoted", and, commas', *PROMPTS]
    file.write_text("\n".join(odd))
    with (prepared(config, tmp_path / "out", monkeypatch) / "test.csv").open(newline="") as table:
        assert next(csv.DictReader(table))["caption"] == odd[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n".join(b"prompt %d" % number for number in range(9)), r"sampling\.n: 16 .* only 9"),
        (b"one\ntwo\n" * 20, "only 2 of its first 16 prompts are different"),
        (b"caf\xe9\n" * 20, r"line 1: not UTF-8"),
        (None, r"data\.evaluation\.path: .* cannot be read"),
    ],
)
def test_an_unusable_file_is_one_line(config, file, tmp_path, monkeypatch, content, says):
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        prepared(config, tmp_path / "out", monkeypatch)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("section", "values", "says"),
    [
        ("metrics", {"extractors": [EFFNET]}, r"metrics\.extractors: .* effnet_lite0 .* \[\]"),
        ("metrics", {"scorers": []}, r"metrics\.scorers: .* score .* name a model"),
        (
            "metrics",
            {"select_by": "fd"},
            r"metrics\.select_by: fd is no metric of no extractor.* choose clip_score",
        ),
    ],
)
def test_what_prompts_alone_cannot_have_is_one_line(config, section, values, says):
    config[section] |= values
    with pytest.raises(StudyError, match=rf"^config key {says}") as error:
        load_study(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["evaluation", "source"])
def test_prompts_alone_train_nothing(pocket_config, key):
    pocket_config["metrics"]["clip_like"] = None
    prompts = {"source": "prompts", "path": "prompts.txt"}
    pocket_config["data"] |= {"evaluation": prompts} if key == "evaluation" else prompts
    with pytest.raises(StudyError, match=rf"^config key data\.{key}: prompts alone are for adopt"):
        load_study(pocket_config)


def test_a_score_that_is_not_measured_chooses_nothing(pocket_config):
    pocket_config["metrics"] |= {"select_by": "clip_score"}
    says = r"select_by: clip_score is no .* scorer .* choose fd or kid"
    with pytest.raises(StudyError, match=says):
        load_study(pocket_config)
    clip = {"clip_like": None, "scorers": [CLIP]}
    pocket_config["metrics"] |= clip
    with pytest.raises(StudyError, match=r"superres: .* no captions.* set superres: null"):
        load_study(pocket_config)
    study = load_study(pocket_config | {"superres": None})
    assert settings.metric(study) == "clip_score" and study.metrics.alignment == "clip_score"
    assert settings.metrics(study) == ["clip_score"]
    pocket_config["metrics"]["extractors"] = []
    with pytest.raises(StudyError, match=r"metrics\.extractors: \[\] is for prompts alone"):
        load_study(pocket_config | {"superres": None})


def test_the_number_of_prompts_is_not_that_of_splits(config):
    config["data"]["splits"] = {"validation": 1, "test": 1}
    data = PrepareSpec.of(load_study(config)).data
    assert data.splits.test == N and data.source == "prompts" and data.path.endswith("prompts.txt")


def test_jobs_of_prompts_alone_read_no_images(config, file):
    study = load_study(config)
    inputs, wildcards = Inputs(study), _Wildcards(stage="pretrain", sampler="ddim", size="one")
    assert inputs.source(wildcards) == [str(file)]
    assert inputs.compared_features(wildcards) == inputs.searched_reference(wildcards) == []
    assert inputs.scored(wildcards)[0] == f"{study.results}/data/test.csv"
    assert not inputs.extractor(wildcards)
    assert list(paths.prepared(study)) == ["test_captions"]
    search = SweepSpec.of(study, "pretrain", "ddim", "one").search
    assert search and search.select_by == "clip_score" and not search.compares
    assert MeasureSpec.of(study).names == ["clip_score"]
    assert SearchCostSpec.of(study).metric == ClaimsSpec.of(study).quality == "clip_score"
    assert ClaimsSpec.of(study).agreement is None


def test_tables_and_figures_that_need_images_or_two_metrics_are_left_out(config):
    study = load_study(config)
    assert not {"floors", "metric_ranking", "leakage"} & set(targets.tables(study))
    assert {"crossovers", "fixed_setting", "family", "cells", "best"} <= set(targets.tables(study))
    assert "metric_agreement" not in targets.figures(study)
    drawn = {"fid_vs_cost", "fid_vs_seconds", "samplers_vs_cost", "size_samples", "model_family"}
    assert drawn <= set(targets.figures(study))
    config["search"]["method"] = "grid"
    assert {"guidance_sweep", "search_cost"} <= set(targets.figures(load_study(config)))


class _Wildcards(dict):
    __getattr__ = dict.__getitem__


# ---------------------------------------------------------------- captioned images


@pytest.fixture
def with_images(pocket_config: dict[str, Any]) -> dict[str, Any]:
    """A study of adopted models whose source of images is yet to be named."""
    data = {"image_size": 8, "splits": {"validation": 16, "test": 16}}
    update_config(pocket_config, {"adopted": ADOPTED, "data": data})
    pocket_config["sampling"] |= {"n": N, "other_schedules": None}
    put(pocket_config, "metrics.extractors.0.components", 4)
    return pocket_config


def write_folder(path: Path) -> dict[str, str]:
    path.mkdir()
    for number in range(40):
        picture(number, size=(20, 16)).save(path / f"{number}.png")
    rows = [f"{number}.png,image {number}" for number in range(40)]
    (path / "metadata.csv").write_text("\n".join(["file_name,text", *rows]))
    return {"source": "imagefolder", "path": str(path)}


def write_captions(path: Path) -> dict[str, str]:
    write_coco(path, train=20, val=20)
    return {"source": "coco", "path": str(path)}


@pytest.mark.parametrize("write", [write_folder, write_captions])
def test_captioned_images_of_any_source_are_prompts_and_reference(
    with_images, write, tmp_path, monkeypatch
):
    """As `evaluation` or as `source`, whichever is named; nothing is read for training."""
    named, out = write(tmp_path / "images"), {}
    for key in ("evaluation", "source"):
        data = with_images["data"] | ({"evaluation": named} if key == "evaluation" else named)
        study = load_study(with_images | {"data": data})
        assert Inputs(study).source({}) and "emoji" not in str(Inputs(study).source({}))
        out[key] = prepared(with_images | {"data": data}, tmp_path / key, monkeypatch)
        assert {path.name for path in out[key].iterdir()} == {
            Path(path).name for path in paths.prepared(study).values()
        }
        assert not (out[key] / "train.csv").exists()
        assert len(rows_of(out[key], "test")) == len(rows_of(out[key], "validation")) == 16
    for name in ("test.csv", "test.safetensors", "validation.safetensors"):
        first, second = (np.fromfile(out[key] / name, np.uint8) for key in out)
        assert np.array_equal(first, second)
