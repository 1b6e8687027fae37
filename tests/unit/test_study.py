"""Wrong studies are refused in one line, and a key changes the specs that depend on it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from studies import CLIP, EFFNET, MISSING, SQUEEZE, put

from ldm_scaling.diffusion.schedules import levels
from ldm_scaling.kinds.architectures import ARCHITECTURES, UNET
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.study.sections import RESULT_FOLDERS

SEEN = {"name": "effnet_lite0", "input_size": 128}
BOTH = {"extractor": SQUEEZE, "scorer": CLIP}


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
        # paper-datacomp.yaml is an overlay of paper.yaml, pocket-seeds.yaml of config.yaml
        base = overlay.with_stem(overlay.stem.partition("-")[0])
        for path in dict.fromkeys([*([base] if base.exists() else []), overlay]):
            update_config(config, yaml.safe_load(path.read_text()))
        assert load_study(config).name == overlay.stem


WRONG = [
    (
        "param_budget.sizes",
        ["c30"],
        "param_budget.sizes",
        "the channels of c30 must be a multiple of 4",
    ),
    ("param_budget.sizes", ["wide"], "param_budget.sizes", "wide is not a size"),
    ("param_budget.steps", 1001, "param_budget.steps", "steps are more than"),
    ("param_budget.warmup_images", 40000, "param_budget.warmup_images", "smaller than images"),
    (
        "param_budget.text_encoders",
        [{"pretrained": "minilm-l6", "width": 384}] * 2,
        "param_budget.text_encoders",
        "minilm-l6 is listed twice",
    ),
    (
        "param_budget.text_encoders",
        [{"pretrained": "minilm-l6", "revision": "a" * 40, "width": 384}],
        "param_budget.text_encoders.0.revision",
        "minilm-l6 is not a hub id",
    ),
    (
        "param_budget.text_encoders",
        [{"pretrained": "minilm-l6", "width": 384}],
        "param_budget.text_encoders",
        "needs at least 2 entries, has 1",
    ),
    (
        "param_budget.text_encoders",
        [{"pretrained": "minilm-l6", "width": 384}, {"pretrained": "minilm-l3", "width": 300}],
        "param_budget.text_encoders.1.width",
        "minilm-l3 makes embeddings 384 wide, not 300; set width: 384",
    ),
    (
        "param_budget.text_encoders",
        [{"pretrained": "word-vectors", "width": 300, "layers": 1}],
        "param_budget.text_encoders.0.layers",
        "word-vectors has 0 layers; set layers: 0 or fewer, not 1",
    ),
    (
        "latents.text_encoder",
        {"pretrained": "minilm-l6", "max_tokens": 8, "width": 384, "layers": 7},
        "latents.text_encoder.layers",
        "minilm-l6 has 6 layers; set layers: 6 or fewer, not 7",
    ),
    ("colour", 1, "colour", "unknown key"),
    ("training.learning_rate", 1e-4, "training.learning_rate", "unknown key; known here: images"),
    ("latents.autoencoder.depth", 3, "latents.autoencoder.depth", "unknown key"),
    (
        *("distill.stochastic", {"eta": {"eta": 0.2, "steps": 1}}, "distill.stochastic.eta.steps"),
        "unknown key; known here: eta, substeps, adversary",
    ),
    (
        "data.skin_tones",
        {"shares": 0.8},
        "data.skin_tones.shares",
        "unknown key; known here: share",
    ),
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
    (
        "family.sizes",
        ["c14", "c48"],
        "family.sizes",
        "the channels of c14 must be a multiple of norm_groups (4)",
    ),
    ("family.reference_size", "c64", "family.reference_size", "c64 is not in sizes"),
    ("sampling.guidance", ["abc"], "sampling.guidance.0", "abc"),
    ("sampling.guidance", [0.5], "sampling.guidance.0", "greater than or equal to 1"),
    ("sampling.guidance", 3, "sampling.guidance", "valid list"),
    ("sampling.guidance", [float("nan")], "sampling.guidance.0", "finite"),
    ("sampling.n", 100000, "sampling.n", "larger than data.splits.test"),
    ("sampling.steps", [4, 4], "sampling.steps", "twice"),
    ("sampling.steps", [2.5], "sampling.steps.0", "integer"),
    ("sampling.steps", [2000], "sampling.steps", "train_timesteps"),
    ("sampling.most_steps", {"c20": 1}, "sampling.most_steps", "c20 would have none of"),
    ("sampling.most_steps", {"c64": 8}, "sampling.most_steps", "c64 is neither in family.sizes"),
    ("sampling.most_steps", {"ddim": 2.5}, "sampling.most_steps.ddim", "integer"),
    ("sampling.samplers", ["ddimm"], "sampling.samplers.0", "ddim"),
    ("training.seeds", [1, 1], "training.seeds", "twice"),
    ("training.keep", [0.5, 0.5], "training.keep", "twice"),
    ("training.lr", "fast", "training.lr", "valid number"),
    ("training.lr", float("inf"), "training.lr", "finite"),
    ("training.warmup_images", 10**9, "training.warmup_images", "smaller than images"),
    ("data.image_size", 20, "data.image_size", "multiple of 8"),
    ("data.source", "imagefolder", "data.path", "folder"),
    ("data.source", "imagenet", "data.source", "imagefolder"),
    ("data.source", "coco", "data.path", "source coco needs the path of its folder"),
    ("data.source", "webdataset", "data.path", "source webdataset needs the path of its folder"),
    ("data", "webdataset", "data", "dictionary"),
    ("data.evaluation", {"source": "emoji", "path": "x"}, "data.evaluation.source", "or 'prompts'"),
    ("data.evaluation", {"source": "coco"}, "data.evaluation.path", "missing"),
    ("data.evaluation", {"source": "coco", "path": "x", "n": 3}, "data.evaluation.n", "path"),
    ("latents.cache", False, "latents.cache", "data.source webdataset only"),
    ("latents.cache", "often", "latents.cache", "boolean"),
    ("latents.parts", 0, "latents.parts", "greater than 0"),
    ("name", "tables", "name", "choose another name"),
    ("search.method", "bisection", "search.method", "'grid' or 'adaptive'"),
    ("search.look", 0, "search.look", "greater than 0"),
    ("search.looks", 3, "search.looks", "known here: method, look"),
    (
        "sampling.guidance",
        [1, 1.0000001],
        "sampling.guidance",
        "1 is listed twice (rounded to six digits)",
    ),
    ("training.keep", [0.5, 0.50001], "training.keep", "fall on the same one"),
    ("diffusion.beta_end", 0.0001, "diffusion.beta_end", "smaller than beta_start"),
    ("latents.autoencoder.downsampling", 16, "latents.autoencoder.downsampling", "2, 4 or 8"),
    ("latents.autoencoder.revision", "main", "latents.autoencoder.revision", "[0-9a-f]{40}"),
    ("latents.autoencoder.revision", "a1b2c3d", "latents.autoencoder.revision", "[0-9a-f]{40}"),
    ("latents.text_encoder.revision", "a" * 40, "latents.text_encoder.revision", "not a hub id"),
    ("data.max_images", "many", "data.max_images", "integer"),
    ("metrics.extractors.0.components", 512, "metrics.extractors", "fewer than sampling.n"),
    ("metrics.bootstrap", 1, "metrics.bootstrap", "greater than or equal to 10"),
    (
        "metrics.extractors.0.name",
        "inception_v3",
        "metrics.extractors.0.input_size",
        "inception_v3 needs 299",
    ),
    ("metrics.extractors.0.name", "vgg", "metrics.extractors.0.name", "'inception_v3'"),
    ("metrics.extractors.0.name", "dinov2", "metrics.extractors.0.input_size", "needs 224"),
    (
        "metrics.extractors.0.name",
        "clip",
        "metrics.extractors.0.pretrained",
        "clip needs its folder or hub id",
    ),
    (
        "metrics.extractors.0.pretrained",
        "folder",
        "metrics.extractors.0.pretrained",
        "effnet_lite0 brings its weights; remove the key",
    ),
    ("metrics.extractors", [EFFNET, EFFNET], "metrics.extractors", "effnet_lite0 is listed twice"),
    ("metrics.select_by", "clip", "metrics.select_by", "'pickscore' or 'hps'"),
    ("metrics.select_by", "cmmd", "metrics.select_by", "cmmd is no metric of effnet_lite0"),
    ("metrics.scorers", [CLIP], "metrics.clip_like", "set null"),
    ("metrics.scorers", [CLIP, CLIP], "metrics.scorers", "clip_score is listed twice"),
    ("metrics.judge", {}, "metrics.judge.extractor", "name one"),
    (
        "metrics.judge",
        {"extractor": SQUEEZE, "scorer": CLIP},
        "metrics.judge.extractor",
        "name one",
    ),
    ("metrics.judge", {"extractor": SEEN}, "metrics.judge.extractor", "also in metrics.extractors"),
    ("metrics.clip_like.width", 0, "metrics.clip_like.width", "greater than 0"),
    ("metrics.clip_like.dropout", 1, "metrics.clip_like.dropout", "less than 1"),
    ("metrics.clip_like.layers", 1, "metrics.clip_like.layers", "known here: width"),
    ("metrics.scorers", [CLIP | {"revision": "main"}], "metrics.scorers.0.revision", "match"),
    (
        "metrics.scorers",
        [CLIP | {"revision": "a" * 40}],
        "metrics.scorers.0.revision",
        "not a hub id",
    ),
    ("metrics.scorers", [CLIP | {"pretrained": 3}], "metrics.scorers.0.pretrained", "string"),
    ("metrics.scorers", [CLIP | {"model": 1}], "metrics.scorers.0.model", "known here: pretr"),
    ("metrics.scorers", [CLIP | {"name": "vqa"}], "metrics.scorers.0.name", "'pickscore'"),
    ("distill.guidance", [], "distill.guidance", "at least 1"),
    (
        "distill.guidance",
        [2, 6, 10, 20],
        "sampling.students.guidance",
        "do not learn 3; add it to distill.gui",
    ),
    (
        "guided_distill.guidance",
        [3],
        "sampling.students.guidance",
        "do not learn 6; add it to guided_distill.",
    ),
    ("distill.teacher_steps", 4, "distill.teacher_steps", "at least 8, the largest of"),
    (
        "distill.stochastic",
        {"own": {"eta": 0.2, "substeps": 3}},
        "distill.stochastic.own.substeps",
        "must divide the 20 noise levels",
    ),
    (
        "distill.stochastic",
        {"own": {"eta": 2, "substeps": 1}},
        "distill.stochastic.own.eta",
        "or equal to 1",
    ),
    ("distill.stochastic", {}, "distill.stochastic", "at least 1"),
    (
        "distill.stochastic",
        {"plain": {"eta": 0.2, "substeps": 1}},
        "distill.stochastic.plain",
        "take another",
    ),
    ("distill.teacher_steps", 300, "distill.teacher_steps", "must divide diffusion.train_timest"),
    ("sampling.students.steps", [1, 2], "sampling.students.steps", "add 4"),
    ("figures.prompts", [0, 32], "figures.prompts.1", "less than 32"),
    ("dreambooth.sizes", ["c64"], "dreambooth.sizes", "c64 is not in family.sizes"),
    ("dreambooth.token", "two words", "dreambooth.token", "one word"),
    ("dreambooth.prompts", ["a cat"], "dreambooth.prompts", "must have {subject} once"),
    ("dreambooth.prompts", [], "dreambooth.prompts", "at least 1"),
    ("dreambooth.subjects", 0, "dreambooth.subjects", "greater than 0"),
    ("dreambooth.prior_weight", -1, "dreambooth.prior_weight", "greater than or equal to 0"),
    (
        "dreambooth.dino",
        {"pretrained": "a", "revision": "a" * 40},
        "dreambooth.dino.revision",
        "no",
    ),
    ("dreambooth.epochs", 1, "dreambooth.epochs", "known here: images"),
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


def test_every_second_level_of_a_teacher_is_its_students(pocket_config):
    put(pocket_config, "sampling.other_schedules", None)
    put(pocket_config, "guided_distill.steps", [500])
    load_study(pocket_config)
    assert levels("trailing", 1000, 1000)[::2] == levels("trailing", 500, 1000)
    put(pocket_config, "guided_distill.steps", [501])
    with pytest.raises(StudyError, match=r"guided_distill\.steps: 501 is more than 500;"):
        load_study(pocket_config)


def test_prompts_of_figures_are_sampled(pocket_config):
    pocket_config["sampling"]["n"] = 16
    put(pocket_config, "metrics.extractors.0.components", 8)
    pocket_config["figures"]["prompts"] = [0, 15]
    load_study(pocket_config)
    pocket_config["figures"]["prompts"] = [16, 0]
    with pytest.raises(
        StudyError, match=r"figures\.prompts: row 16 is not sampled; rows must be below sampling\.n"
    ):
        load_study(pocket_config)


def test_other_images_than_emoji_have_subjects_in_a_folder_or_none(pocket_config):
    assert load_study(pocket_config).dreambooth.subjects == 6
    pocket_config["data"] |= {"source": "imagefolder", "path": "images"}
    assert load_study(pocket_config).dreambooth is None
    put(pocket_config, "dreambooth.path", "subjects")
    assert load_study(pocket_config).dreambooth.folder == Path("subjects")


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
    text = " ".join(path.read_text() for path in rules)
    used = set(re.findall(r"results(?:>|})/(\w+)\b(?!\.)", text))
    used |= set(re.findall(r"<(\w+)>/", text)) - {"results"}  # pathvars: folders of their own name
    assert used | {"work"} == set(RESULT_FOLDERS.split())


def test_shapes_are_checked_as_the_architecture_has_them(pocket_config, monkeypatch):
    put(pocket_config, "data.image_size", 40)  # latents of 10, which two levels halve once
    with pytest.raises(StudyError, match=r"data.image_size: .* levels of family.channel_multip"):
        load_study(pocket_config)
    other = dataclasses.replace(ARCHITECTURES[UNET], levels=None, divisors=("heads",))
    monkeypatch.setitem(ARCHITECTURES, UNET, other)
    assert load_study(pocket_config).data.image_size == 40
    put(pocket_config, "family.heads", 8)
    put(pocket_config, "family.sizes", ["c16", "c48"])
    put(pocket_config, "param_budget.sizes", ["c16", "c20"])
    with pytest.raises(
        StudyError, match=r"param_budget.sizes: .* multiple of 8, for family.heads$"
    ):
        load_study(pocket_config)
