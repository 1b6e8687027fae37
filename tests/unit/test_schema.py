"""The JSON schema of a study, and what reading a study takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study, schema_text

OVERLAYS = [f"studies/{path.name}" for path in Path(__file__).parents[2].glob("studies/*.yaml")]


def test_the_schema_file_is_up_to_date(root):
    committed = (root / "schemas" / "study.schema.json").read_text()
    assert committed == schema_text(), "run: python -m ldm_scaling.study.load"


@pytest.mark.parametrize("path", ["config.yaml", *OVERLAYS])
def test_files_fit_the_schema_that_they_name(root, path):
    text = (root / path).read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)", text)[1]
    schema = json.loads(((root / path).parent / named).read_text())
    jsonschema.validate(yaml.safe_load(text), schema)
    with pytest.raises(jsonschema.ValidationError, match="sise"):
        jsonschema.validate({"data": {"sise": 32}}, schema)


def test_the_schema_command_writes_only_where_it_is_told(tmp_path):
    command = [sys.executable, "-m", "ldm_scaling.study.load"]
    shown = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert "--out" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    subprocess.run([*command, "--out", tmp_path / "a" / "schema.json"], check=True)
    assert (tmp_path / "a" / "schema.json").read_text() == schema_text()


def test_every_field_has_a_description():
    schema = json.loads(schema_text())
    nameless = []
    for model, body in {"Study": schema, **schema["$defs"]}.items():
        for name, field in body["properties"].items():
            described = "description" in field or "description" in schema["$defs"].get(
                field.get("$ref", "").rpartition("/")[2], {}
            )
            if not described:
                nameless.append(f"{model}.{name}")
    assert nameless == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "training: {lr: 1}\nname: a\ntraining: {batch: 2}\n",
            "training is in line 1 and again in line 3",
        ),
        ("training: {lr: 1, lr: 2}\n", "training.lr is in line 1 and again in line 1"),
        ('{"a": [{"b": 1,\n"b": 2}]}', "a.b is in line 1 and again in line 2"),
    ],
)
def test_a_key_twice_is_refused_where_yaml_would_keep_the_last(pocket_config, tmp_path, text, says):
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(StudyError) as caught:
        load_study(pocket_config, [path])
    assert str(caught.value).startswith(f"{path}: config key {says};")


def test_one_name_in_two_sections_is_no_repetition(pocket_config, tmp_path):
    path = tmp_path / "once.yaml"
    path.write_text("training: {lr: 1}\ndistill: {lr: 1}\n")
    assert load_study(pocket_config, [path]) == load_study(pocket_config)
