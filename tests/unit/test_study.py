"""Wrong studies are refused in one line, and a key changes the specs that depend on it."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ldm_scaling.cli import parser
from ldm_scaling.specs import Specs, SweepSpec
from ldm_scaling.study import RESULT_FOLDERS, Study, StudyError, load_study, schema_text

MISSING = object()
OVERLAYS = [f"studies/{path.name}" for path in Path(__file__).parents[2].glob("studies/*.yaml")]


def put(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Set (or remove) a dotted key."""
    *sections, last = key.split(".")
    for section in sections:
        config = config[section]
    if value is MISSING:
        del config[last]
    else:
        config[last] = value
    return config


def test_pocket_is_valid(pocket_config):
    study = load_study(pocket_config)
    assert study.name == "pocket"
    assert study.results == "results"


def test_another_name_has_its_own_results(pocket_config):
    pocket_config["name"] = "mine"
    assert load_study(pocket_config).results == "results/mine"


def test_overlays_are_valid(pocket_config, root):
    from snakemake.utils import update_config

    for overlay in sorted((root / "studies").glob("*.yaml")):
        config = yaml.safe_load((root / "config.yaml").read_text())
        update_config(config, yaml.safe_load(overlay.read_text()))
        assert load_study(config).name == overlay.stem


WRONG = [
    ("colour", 1, "colour", "unknown key"),
    ("training.learning_rate", 1e-4, "training.learning_rate", "unknown key; known here: images"),
    ("latents.autoencoder.depth", 3, "latents.autoencoder.depth", "unknown key"),
    ("data.splits.val", 9, "data.splits.val", "known here: validation, test"),
    ("name", "My Study", "name", "match"),
    ("seed", -1, "seed", "greater than or equal to 0"),
    ("seed", MISSING, "seed", "missing"),
    ("training", MISSING, "training", "missing"),
    ("training", None, "training", "dictionary"),
    ("family.sizes", ["c8x"], "family.sizes.0", "c8x"),
    ("family.sizes", ["c48", "16"], "family.sizes.1", "16"),
    ("family.sizes", [16], "family.sizes.0", "valid string"),
    ("family.sizes", ["c0"], "family.sizes.0", "c0"),
    ("family.sizes", [], "family.sizes", "at least 1"),
    ("family.sizes", ["c48", "c48"], "family.sizes", "twice"),
    ("family.sizes", ["c14", "c48"], "family.sizes", "c14 is no multiple of norm_groups (4)"),
    ("family.reference_size", "c64", "family.reference_size", "c64 is not in sizes"),
    ("sampling.guidance", ["abc"], "sampling.guidance.0", "abc"),
    ("sampling.guidance", [0.5], "sampling.guidance.0", "greater than or equal to 1"),
    ("sampling.guidance", 3, "sampling.guidance", "valid list"),
    ("sampling.guidance", [float("nan")], "sampling.guidance.0", "finite"),
    ("sampling.n", 100000, "sampling.n", "larger than data.splits.test"),
    ("sampling.steps", [4, 4], "sampling.steps", "twice"),
    ("sampling.steps", [2.5], "sampling.steps.0", "integer"),
    ("sampling.steps", [2000], "sampling.steps", "train_timesteps"),
    ("sampling.samplers", ["ddimm"], "sampling.samplers.0", "ddim"),
    ("training.seeds", [1, 1], "training.seeds", "twice"),
    ("training.keep", [0.5, 0.5], "training.keep", "twice"),
    ("training.lr", "fast", "training.lr", "valid number"),
    ("training.lr", float("inf"), "training.lr", "finite"),
    ("training.warmup_images", 10**9, "training.warmup_images", "smaller than images"),
    ("data.image_size", 20, "data.image_size", "multiple of 8"),
    ("data.source", "imagefolder", "data.path", "folder"),
    ("data.source", "imagenet", "data.source", "imagefolder"),
    ("data.source", "coco", "data.path", "source coco needs the folder's path"),
    ("data.source", "webdataset", "data.path", "source webdataset needs the folder's path"),
    ("data", "webdataset", "data", "dictionary"),
    ("data.evaluation", {"source": "emoji", "path": "x"}, "data.evaluation.source", "'coco' or"),
    ("data.evaluation", {"source": "coco"}, "data.evaluation.path", "missing"),
    ("data.evaluation", {"source": "coco", "path": "x", "n": 3}, "data.evaluation.n", "path"),
    ("latents.cache", False, "latents.cache", "data.source webdataset only"),
    ("latents.cache", "often", "latents.cache", "boolean"),
    ("latents.parts", 0, "latents.parts", "greater than 0"),
    ("name", "tables", "name", "choose another name"),
    ("sampling.guidance", [1, 1.0000001], "sampling.guidance", "1 stands twice to six digits"),
    ("training.keep", [0.5, 0.50001], "training.keep", "same step"),
    ("diffusion.beta_end", 0.0001, "diffusion.beta_end", "smaller than beta_start"),
    ("latents.autoencoder.downsampling", 16, "latents.autoencoder.downsampling", "2, 4 or 8"),
    ("latents.autoencoder.revision", "main", "latents.autoencoder.revision", "[0-9a-f]{40}"),
    ("latents.autoencoder.revision", "a1b2c3d", "latents.autoencoder.revision", "[0-9a-f]{40}"),
    ("latents.text_encoder.revision", "a" * 40, "latents.text_encoder.revision", "no hub id"),
    ("data.max_images", "many", "data.max_images", "integer"),
    ("metrics.components", 512, "metrics.components", "smaller than sampling.n"),
    ("metrics.bootstrap", 1, "metrics.bootstrap", "greater than or equal to 10"),
    ("metrics.extractor", "inception_v3", "metrics.input_size", "inception_v3 needs 299"),
    ("metrics.extractor", "vgg", "metrics.extractor", "'inception_v3'"),
    ("metrics.select_by", "clip", "metrics.select_by", "'fd' or 'kid'"),
    ("metrics.clip", {"pretrained": "folder"}, "metrics.clip_like", "set it to null"),
    ("metrics.clip_like.width", 0, "metrics.clip_like.width", "greater than 0"),
    ("metrics.clip_like.dropout", 1, "metrics.clip_like.dropout", "less than 1"),
    ("metrics.clip_like.layers", 1, "metrics.clip_like.layers", "known here: width"),
    ("metrics.clip", {"pretrained": "a/b", "revision": "main"}, "metrics.clip.revision", "match"),
    ("metrics.clip", {"pretrained": "ab", "revision": "a" * 40}, "metrics.clip.revision", "no hub"),
    ("metrics.clip", {"pretrained": 3}, "metrics.clip.pretrained", "valid string"),
    ("metrics.clip", {"model": "x", "pretrained": "x"}, "metrics.clip.model", "known here: pretr"),
    ("figures.prompts", [0, 32], "figures.prompts.1", "less than 32"),
]


@pytest.mark.parametrize(("key", "value", "named", "says"), WRONG)
def test_wrong_input_is_one_line_that_names_the_key(pocket_config, key, value, named, says):
    put(pocket_config, key, value)
    with pytest.raises(StudyError) as caught:
        load_study(pocket_config)
    message = str(caught.value)
    assert message.startswith(f"config key {named}: ")
    assert says in message
    assert "\n" not in message
    assert len(message) < 300


def test_prompts_of_figures_are_sampled(pocket_config):
    pocket_config["sampling"]["n"] = 16
    pocket_config["metrics"]["components"] = 8
    pocket_config["figures"]["prompts"] = [0, 15]
    load_study(pocket_config)
    pocket_config["figures"]["prompts"] = [16, 0]
    with pytest.raises(StudyError, match=r"figures\.prompts: row 16 must be below sampling\.n"):
        load_study(pocket_config)


def test_only_all_dimensions_are_fid(pocket_config):
    pocket_config["metrics"] |= {"extractor": "inception_v3", "input_size": 299}
    pocket_config["metrics"]["clip_like"] = None
    with pytest.raises(StudyError, match=r"^config key metrics\.components: .* needs null"):
        load_study(pocket_config)
    pocket_config["metrics"]["components"] = None
    metrics = load_study(pocket_config).metrics
    assert metrics.names == {"fd": "fid", "kid": "kid_inception_v3"}
    assert str(metrics.weights) == "resources/inception-2015-12-05.pt"


def test_a_clip_model_is_not_the_text_encoder(pocket_config):
    pocket_config["metrics"] |= {"clip": {"pretrained": "minilm-l6"}, "clip_like": None}
    with pytest.raises(StudyError, match=r"^config key metrics\.clip: .*choose another model"):
        load_study(pocket_config)


@pytest.mark.parametrize(
    ("changes", "alignment"),
    [
        ({}, "clip_like"),
        ({"clip_like": None}, None),
        ({"clip_like": None, "clip": {"pretrained": "folder"}}, "clip_score"),
    ],
)
def test_a_study_has_one_metric_of_alignment_at_most(pocket_config, changes, alignment):
    pocket_config["metrics"] |= changes
    metrics = load_study(pocket_config).metrics
    assert metrics.alignment == alignment
    assert [*metrics.names.values()][2:] == [alignment] * (alignment is not None)


def test_nothing_is_fitted_without_clip_like(pocket_config):
    pocket_config["metrics"]["clip_like"] = None
    with pytest.raises(StudyError, match=r"metrics\.clip_like: is null"):
        Specs(load_study(pocket_config)).clip_like()


def test_styles_are_tested_by_themselves_where_held_out_images_have_them(pocket_config):
    assert Specs(load_study(pocket_config)).clip_like().styles == pocket_config["data"]["styles"]
    pocket_config["data"]["evaluation"] = {"source": "coco", "path": "x"}
    assert Specs(load_study(pocket_config)).clip_like().styles == []


def test_metrics_have_their_extractors_name(pocket_config):
    clip = {"clip": {"pretrained": "folder"}, "clip_like": None}
    pocket_config["metrics"] |= {"components": None} | clip
    metrics = load_study(pocket_config).metrics
    assert list(metrics.names.values()) == ["fd_effnet_lite0", "kid_effnet_lite0", "clip_score"]
    assert metrics.weights is None


def test_several_errors_are_counted(pocket_config):
    pocket_config["colour"] = pocket_config["size"] = 1
    with pytest.raises(StudyError, match=r"\(and 1 more\)$"):
        load_study(pocket_config)


def test_a_number_that_yaml_reads_as_text_is_a_number(pocket_config):
    value = yaml.safe_load("1e-4")
    assert value == "1e-4", "YAML 1.1 wants 1.0e-4"
    pocket_config["training"]["lr"] = value
    assert load_study(pocket_config).training.lr == 1e-4


def test_text_of_the_command_line_is_what_yaml_reads(pocket_config, root):
    text = yaml.load((root / "config.yaml").read_text(), yaml.BaseLoader)
    assert text["data"]["max_images"] == "null", "as Snakemake's --config gives nested keys"
    assert load_study(text) == load_study(pocket_config)


@pytest.mark.parametrize("null", ["null", "~", ""])
def test_null_as_text_is_none(pocket_config, null):
    keys = ("latents.autoencoder.pretrained", "data.max_images", "training.min_snr_gamma")
    for key in keys:
        put(pocket_config, key, null)
    study = load_study(pocket_config)
    assert study.latents.autoencoder.pretrained is None
    assert study.data.max_images is study.training.min_snr_gamma is None


@pytest.mark.parametrize("revision", ["1" * 38 + "e4", "0" * 40, "1" * 40])
def test_a_revision_of_digits_stays_text(pocket_config, revision):
    pocket_config["latents"]["autoencoder"]["revision"] = revision
    assert load_study(pocket_config).latents.autoencoder.revision == revision


def test_every_folder_of_results_is_no_name_of_a_study(root):
    rules = [root / "Snakefile", *(root / "rules").glob("*.smk")]
    used = re.findall(r"results(?:>|})/(\w+)\b(?!\.)", " ".join(path.read_text() for path in rules))
    assert {*used, "work"} == set(RESULT_FOLDERS.split())


# ---------------------------------------------------------------- schema


def test_the_schema_file_is_up_to_date(root):
    committed = (root / "schemas" / "study.schema.json").read_text()
    assert committed == schema_text(), "run: python -m ldm_scaling.study"


@pytest.mark.parametrize("path", ["config.yaml", *OVERLAYS])
def test_files_fit_the_schema_that_they_name(root, path):
    text = (root / path).read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)", text)[1]
    schema = json.loads(((root / path).parent / named).read_text())
    jsonschema.validate(yaml.safe_load(text), schema)
    with pytest.raises(jsonschema.ValidationError, match="sise"):
        jsonschema.validate({"data": {"sise": 32}}, schema)


def test_the_schema_command_writes_only_where_it_is_told(tmp_path):
    command = [sys.executable, "-m", "ldm_scaling.study"]
    shown = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert "--out" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    subprocess.run([*command, "--out", tmp_path / "a" / "schema.json"], check=True)
    assert (tmp_path / "a" / "schema.json").read_text() == schema_text()


def test_every_field_has_a_description():
    schema = Study.model_json_schema()
    nameless = []
    for model, body in {"Study": schema, **schema["$defs"]}.items():
        for name, field in body["properties"].items():
            described = "description" in field or "description" in schema["$defs"].get(
                field.get("$ref", "").rpartition("/")[2], {}
            )
            if not described:
                nameless.append(f"{model}.{name}")
    assert nameless == []


def test_the_study_loads_without_torch():
    code = "import sys, ldm_scaling.study; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------- specs


def all_specs(config: dict[str, Any]) -> dict[str, str]:
    """The JSON of every spec; of models, those of c16 with seed 0."""
    study = load_study(config)
    specs = Specs(study)
    named = {
        "prepare": specs.prepare(),
        "autoencoder": specs.autoencoder(),
        "encode_images": specs.encode_images(study.latents.autoencoder.pretrained or "trained"),
        "encode_text": specs.encode_text(),
        "index": specs.index(),
        "encode_part": specs.encode_part(study.latents.autoencoder.pretrained or "trained", 0),
        "pretrain": specs.pretrain("c16", 0, "autoencoder"),
        "sweep": specs.sweep("ddim"),
        "features": specs.features(),
        "validation-features": specs.features("validation"),
        "measure": specs.measure(),
        "illustrate": specs.illustrate("c12", 0),
        "cost": specs.cost(),
        "latency": specs.latency(),
    }
    if study.metrics.clip_like:
        named["clip_like"] = specs.clip_like()
    return {name: spec.model_dump_json() for name, spec in named.items()}


CHANGES = [
    ("name", "mine", ""),
    ("seed", 7, "prepare autoencoder clip_like measure"),
    ("data.image_size", 64, "prepare encode_part cost latency"),
    ("data.styles", ["noto"], "prepare clip_like"),
    ("data.path", "folder", ""),
    ("data.max_images", 3000, "prepare index"),
    ("data.revision", "ab" * 20, ""),
    ("data.evaluation", {"source": "coco", "path": "x"}, "prepare clip_like"),
    ("latents.parts", 4, "encode_part"),
    ("data.splits.test", 900, "prepare"),
    ("latents.autoencoder.downsampling", 8, "autoencoder encode_images encode_part cost latency"),
    (
        "latents.autoencoder.latent_channels",
        4,
        "autoencoder encode_images encode_part cost latency",
    ),
    ("latents.autoencoder.width", 64, "autoencoder"),
    ("latents.autoencoder.lr", 0.5, "autoencoder"),
    ("latents.autoencoder.pretrained", "other", "encode_images encode_part"),
    ("latents.autoencoder.pretrained", None, "encode_images encode_part"),
    ("latents.autoencoder.revision", "ab" * 20, "encode_images encode_part"),
    ("latents.text_encoder.pretrained", "other", "encode_text encode_part clip_like"),
    ("latents.text_encoder.max_tokens", 32, "encode_text encode_part cost latency clip_like"),
    ("latents.text_encoder.width", 512, "encode_text encode_part cost latency clip_like"),
    ("family.sizes", ["c12", "c20", "c24", "c32", "c48"], "cost latency"),
    ("family.reference_size", "c32", "cost"),
    ("family.res_blocks", 2, "pretrain cost latency"),
    ("family.channel_multipliers", [1, 2, 3], "pretrain cost latency"),
    ("diffusion.prediction", "epsilon", "pretrain sweep illustrate"),
    ("diffusion.beta_end", 0.02, "pretrain sweep illustrate"),
    ("training.lr", 0.5, "pretrain"),
    ("training.images", 64000, "pretrain"),
    ("training.caption_dropout", 0.2, "pretrain"),
    ("training.seeds", [0, 1], ""),
    ("sampling.guidance", [1, 2, 3], "sweep"),
    ("sampling.steps", [2, 4], "sweep"),
    ("sampling.seed", 5, "sweep illustrate"),
    ("sampling.n", 256, "sweep measure"),
    ("metrics.bootstrap", 100, "clip_like measure"),
    ("metrics.confidence", 0.9, "clip_like measure"),
    ("metrics.clip_like.epochs", 7, "clip_like measure"),
    ("metrics.components", 32, "measure"),
    ("metrics.components", None, "measure"),
    ("metrics.input_size", 128, "sweep features validation-features"),
    ("latency.batches", [1, 4], "latency"),
    ("figures.budgets", [1], "illustrate"),
    ("figures.budgets", [16, 8, 4, 2, 1, 0.5, 0.25], ""),
    ("figures.prompts", [1, 0], "illustrate"),
    ("figures.guidance_sizes", ["c20"], ""),
    ("sampling.fixed.guidance", 7.5, "illustrate"),
]


@pytest.mark.parametrize(("key", "value", "names"), CHANGES)
def test_a_key_changes_the_specs_that_depend_on_it(pocket_config, key, value, names):
    before = all_specs(pocket_config)
    put(pocket_config, key, value)
    after = all_specs(pocket_config)
    assert {name for name in before if before[name] != after[name]} == set(names.split())


def test_an_image_folder_has_a_path_and_no_styles(pocket_config):
    pocket_config["data"] |= {"source": "imagefolder", "path": "folder"}
    before = all_specs(pocket_config)
    pocket_config["data"]["styles"] = ["fluent"]
    assert all_specs(pocket_config) == before
    pocket_config["data"]["path"] = "other"
    after = all_specs(pocket_config)
    assert {name for name in before if before[name] != after[name]} == {"prepare"}


def test_another_clip_model_samples_again(pocket_config):
    pocket_config["metrics"]["clip_like"] = None
    without = all_specs(pocket_config)
    pocket_config["metrics"]["clip"] = {"pretrained": "some/model", "revision": "a" * 40}
    assert all_specs(pocket_config) != without
    before = all_specs(pocket_config)
    pocket_config["metrics"]["clip"]["revision"] = "b" * 40
    after = all_specs(pocket_config)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"sweep", "features", "measure"}


def of_shards(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with tar shards for training."""
    evaluation = {"source": "coco", "path": "coco"}
    config["data"] |= {"source": "webdataset", "path": "shards", "evaluation": evaluation}
    config["metrics"]["clip_like"] = None
    return config


def test_what_shards_need(pocket_config):
    config = of_shards(pocket_config)
    load_study(config)
    fitted = {"width": 8, "epochs": 1, "batch": 8, "lr": 0.1, "dropout": 0}
    for key, value in (
        ("data.evaluation", None),
        ("latents.autoencoder.pretrained", None),
        ("metrics.clip_like", fitted),
    ):
        wrong = copy.deepcopy(config)
        put(wrong, key, value)
        with pytest.raises(StudyError, match=f"^config key {re.escape(key)}: .*webdataset"):
            load_study(wrong)


def test_coco_is_not_evaluated_with_itself(pocket_config):
    evaluation = {"source": "coco", "path": "coco"}
    pocket_config["data"] |= {"source": "coco", "path": "coco", "evaluation": evaluation}
    with pytest.raises(StudyError, match=r"^config key data\.evaluation: .*splits of its own"):
        load_study(pocket_config)


def test_a_cache_moves_encoding_between_specs(pocket_config):
    config = of_shards(pocket_config)
    cached = all_specs(config)
    put(config, "latents.cache", False)
    streamed = all_specs(config)
    assert {name for name in cached if cached[name] != streamed[name]} == {"pretrain"}
    assert "encoding" not in json.loads(cached["pretrain"])
    assert json.loads(streamed["pretrain"])["encoding"]["image_size"] == 32
    # what is not packed is not what prepare_data reads
    for key, value in (("path", "other"), ("revision", "ab" * 20), ("max_images", 5)):
        config["data"][key] = value
        assert all_specs(config)["prepare"] == cached["prepare"], key


def test_a_revision_is_a_folder_of_downloads(pocket_config):
    config = of_shards(pocket_config)
    assert load_study(config).data.folder == Path("shards")
    config["data"] |= {"path": "someone/shards", "revision": "ab" * 20}
    folder = load_study(config).data.folder
    assert folder == Path("resources/hub/datasets/someone--shards", "ab" * 20)


def test_select_by_only_chooses_among_measured_cells(pocket_config):
    before = all_specs(pocket_config)
    pocket_config["metrics"]["select_by"] = "kid"
    assert all_specs(pocket_config) == before


def test_order_and_number_types_of_the_grid_do_not_matter(pocket_config):
    before = all_specs(pocket_config)
    sampling = pocket_config["sampling"]
    sampling["guidance"] = [float(value) for value in reversed(sampling["guidance"])]
    sampling["steps"] = sampling["steps"][::-1]
    assert all_specs(pocket_config) == before


def test_the_sweep_has_every_cell_once(pocket_config):
    sampling = pocket_config["sampling"]
    cells = Specs(load_study(pocket_config)).sweep("ddim").cells
    grid = {(cell.steps, cell.guidance) for cell in cells}
    assert len(grid) == len(cells) == len(sampling["steps"]) * len(sampling["guidance"])


def test_specs_survive_json(pocket_config):
    study = load_study(pocket_config)
    spec = Specs(study).pretrain("c16", 0)
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("sampler", "ddimm", "'ddim'"),
        ("steps", 0, "greater than 0"),
        ("guidance", 0.5, "greater than or equal to 1"),
        ("n", 0, "greater than 0"),
        ("seed", -1, "greater than or equal to 0"),
        ("extractor", "vgg", "'effnet_lite0' or 'inception_v3'"),
        ("input_size", 8, "greater than or equal to 32"),
    ],
)
def test_a_wrong_cell_of_a_spec_written_by_hand_is_one_line(
    pocket_config, capsys, field, value, says
):
    spec = Specs(load_study(pocket_config)).sweep("ddim").model_dump()
    spec["cells"][0][field] = value
    with pytest.raises(SystemExit) as stopped:
        parser("Sample.", SweepSpec).parse_args(["--spec", json.dumps(spec)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert f"cells.0.{field}: " in error and says in error
    assert error.count("\n") == 1
