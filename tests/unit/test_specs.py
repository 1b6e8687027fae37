"""A key changes the specs that depend on it, and no other."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from studies import put

from ldm_scaling.jobs.cli import parser
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.claims_specs import claims_spec
from ldm_scaling.workflow.specs import SweepSpec
from ldm_scaling.workflow.stitch_specs import stitch_spec
from ldm_scaling.workflow.study_specs import Specs


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
        "sweep": specs.sweep("pretrain", "ddim"),
        "distill": specs.distill("c16", 0, "autoencoder"),
        "guided_distill": specs.guided_distill("guided_distill8", "c16", 0, "autoencoder"),
        "sweep_lcm": specs.sweep("distill", "lcm"),
        "features": specs.features(),
        "validation-features": specs.features("validation"),
        "measure": specs.measure(),
        "illustrate": specs.illustrate("c12", 0),
        **(enlarging(specs) if study.superres else {}),
        **(subjects(specs) if study.dreambooth else {}),
        **({"sweep_grid": specs.sweep("pretrain", "ddim_grid")} if study.searches else {}),
        **({"stitch": stitch_spec(study, "c20-c48")} if study.stitch else {}),
        "cost": specs.cost(),
        "latency": specs.latency(),
    }
    if study.metrics.clip_like:
        named["clip_like"] = specs.clip_like()
    return {name: spec.model_dump_json() for name, spec in named.items()}


def enlarging(specs: Specs) -> dict[str, Any]:
    """Those of super-resolution."""
    return {
        "degrade": specs.degrade("train"),
        "degrade_n": specs.degrade("validation"),
        "superres": specs.superres("superres", "c12", 0),
        "scratch": specs.superres("superres_scratch", "c12", 0),
        "sweep_superres": specs.sweep("superres", "ddim"),
        "measure_superres": specs.measure("superres"),
        "baselines": specs.baselines(),
    }


def subjects(specs: Specs) -> dict[str, Any]:
    """Those of DreamBooth."""
    return {
        "subjects": specs.subjects(),
        "encode_subjects": specs.encode_subjects(
            specs.study.latents.autoencoder.pretrained or "trained"
        ),
        "prior": specs.prior("c12", 0),
        "dreambooth": specs.dreambooth("c12", 0, 1),
        "score_subjects": specs.score_subjects("c12", 0),
    }


TAUGHT = "prior dreambooth score_subjects"
"""specs of models that are taught"""
MEASURED = "measure_superres baselines"
SEARCHED = "sweep sweep_lcm stitch"
"""specs of cells whose guidance is searched"""
DIFFUSED = f"pretrain distill guided_distill superres scratch {TAUGHT}"
DIFFUSED += " sweep sweep_grid sweep_lcm sweep_superres stitch"
ALL_TAUGHT = f"subjects encode_subjects {TAUGHT}"
LPIPS = {"network": "alex", "weights": "alexnet.pth"}
CHANGES = [
    ("superres.lr", 0.01, "superres scratch"),
    ("superres.min_snr_gamma", None, "superres scratch"),
    ("superres.keep", [0.5], "superres scratch sweep_superres"),
    ("superres.scratch", ["c20"], ""),
    ("superres.n", 128, "degrade_n sweep_superres measure_superres baselines"),
    ("superres.steps", [16], "sweep_superres"),
    ("superres.fixed_steps", 8, "sweep_superres"),
    ("superres.degradation.second.blur", 0.1, "degrade degrade_n"),
    ("superres.lpips", LPIPS, "sweep_superres measure_superres baselines"),
    ("superres.training", {"path": "photos", "patches": 300}, ""),
    ("superres.validation", {"path": "photos", "patches": 300}, ""),
    ("dreambooth.lr", 0.5, "dreambooth"),
    ("dreambooth.prior_weight", 0.5, "dreambooth"),
    ("dreambooth.prior_images", 5, "prior"),
    ("dreambooth.subjects", 3, "subjects"),
    ("dreambooth.token", "bar", "encode_subjects"),
    ("dreambooth.prompts", ["{subject}"], "encode_subjects score_subjects"),
    ("dreambooth.images_per_prompt", 3, "score_subjects"),
    ("dreambooth.dino", {"pretrained": "dino"}, "score_subjects"),
    ("dreambooth.sizes", ["c12"], ""),
    ("dreambooth.path", "folder", "subjects"),
    ("stitch.shares", [0.5], "stitch"),
    ("stitch.steps", [8], "stitch"),
    ("stitch.sampler", "dpmpp", "stitch"),
    ("stitch.sizes", [["c20", "c48"]], ""),
    ("training.min_snr_gamma", None, "pretrain dreambooth"),
    ("name", "mine", ""),
    ("seed", 7, f"prepare autoencoder clip_like measure subjects degrade degrade_n {MEASURED}"),
    ("data.image_size", 64, "prepare encode_part cost latency subjects"),
    ("data.styles", ["noto"], "prepare clip_like subjects"),
    ("data.path", "folder", ""),
    ("data.max_images", 3000, "prepare index"),
    ("data.revision", "ab" * 20, ""),
    ("data.evaluation", {"source": "coco", "path": "x"}, f"prepare clip_like {ALL_TAUGHT}"),
    ("latents.parts", 4, "encode_part"),
    ("data.splits.test", 900, "prepare"),
    (
        "latents.autoencoder.downsampling",
        8,
        "autoencoder encode_images encode_part cost latency encode_subjects",
    ),
    (
        "latents.autoencoder.latent_channels",
        4,
        "autoencoder encode_images encode_part cost latency encode_subjects",
    ),
    ("latents.autoencoder.width", 64, "autoencoder"),
    ("latents.autoencoder.lr", 0.5, "autoencoder"),
    ("latents.autoencoder.pretrained", "other", "encode_images encode_part encode_subjects"),
    ("latents.autoencoder.pretrained", None, "encode_images encode_part encode_subjects"),
    ("latents.autoencoder.revision", "ab" * 20, "encode_images encode_part encode_subjects"),
    (
        "latents.text_encoder.pretrained",
        "other",
        "encode_text encode_part clip_like encode_subjects",
    ),
    (
        "latents.text_encoder.max_tokens",
        32,
        "encode_text encode_part cost latency clip_like encode_subjects",
    ),
    (
        "latents.text_encoder",
        {"pretrained": "some/folder", "max_tokens": 20, "width": 512},
        "encode_text encode_part cost latency clip_like encode_subjects",
    ),
    ("family.sizes", ["c12", "c20", "c24", "c32", "c48"], "cost latency"),
    ("family.reference_size", "c32", "cost"),
    ("family.res_blocks", 2, "pretrain scratch cost latency"),
    ("family.channel_multipliers", [1, 2, 3], "pretrain scratch cost latency"),
    (
        "diffusion.prediction",
        "epsilon",
        f"illustrate {DIFFUSED}",
    ),
    (
        "diffusion.beta_end",
        0.02,
        f"illustrate {DIFFUSED}",
    ),
    ("training.lr", 0.5, "pretrain"),
    ("training.images", 64000, "pretrain"),
    ("training.caption_dropout", 0.2, "pretrain"),
    ("training.seeds", [0, 1], f"{SEARCHED} sweep_grid"),
    ("distill.lr", 0.5, "distill"),
    ("distill.teacher_steps", 25, "distill sweep_lcm"),
    ("guided_distill.lr", 0.5, "guided_distill"),
    ("guided_distill.sizes", ["c48"], ""),
    ("guided_distill.steps", [8, 4], ""),
    ("sampling.students.steps", [4], "sweep_lcm"),
    ("sampling.students.guidance", [3], "sweep_lcm"),
    ("sampling.guidance", [1, 2, 3], "sweep sweep_grid stitch illustrate"),
    ("sampling.steps", [2, 4], "sweep sweep_grid illustrate"),
    ("sampling.seed", 5, f"{SEARCHED} sweep_grid sweep_superres illustrate score_subjects"),
    ("sampling.n", 256, f"{SEARCHED} sweep_grid measure"),
    ("search.look", 0.5, SEARCHED),
    ("search.method", "grid", f"{SEARCHED} sweep_grid"),
    ("metrics.bootstrap", 100, f"clip_like measure {MEASURED}"),
    ("metrics.confidence", 0.9, f"clip_like measure {MEASURED}"),
    ("metrics.clip_like.epochs", 7, "clip_like measure"),
    ("metrics.select_by", "kid", f"illustrate {SEARCHED}"),
    ("metrics.components", 32, f"measure {MEASURED} {SEARCHED}"),
    ("metrics.components", None, f"measure {MEASURED} {SEARCHED}"),
    (
        "metrics.input_size",
        128,
        f"{SEARCHED} sweep_grid sweep_superres features validation-features baselines"
        " score_subjects",
    ),
    ("latency.batches", [1, 4], "latency"),
    ("figures.budgets", [1], "illustrate"),
    ("figures.budgets", [16, 8, 4, 2, 1, 0.5, 0.25], ""),
    ("figures.prompts", [1, 0], "illustrate"),
    ("figures.guidance_sizes", ["c20"], ""),
    ("sampling.fixed.guidance", 7.5, "sweep illustrate prior score_subjects"),
]


@pytest.mark.parametrize(("key", "value", "names"), CHANGES)
def test_a_key_changes_the_specs_that_depend_on_it(pocket_config, key, value, names):
    before = all_specs(pocket_config)
    put(pocket_config, key, value)
    after = all_specs(pocket_config)
    assert {name for name in before if before[name] != after.get(name)} == set(names.split())


def test_claims_know_the_sampler_of_the_figures_and_the_decay(pocket_config):
    put(pocket_config, "sampling.samplers", ["dpmpp", "ddim"])
    put(pocket_config, "training.decay", "constant")
    study = load_study(pocket_config)
    spec = claims_spec(study, Specs(study).cost())
    assert (spec.figure_sampler, spec.fixed.sampler) == ("dpmpp", "ddim")
    assert spec.decay == "constant"


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
    assert changed == {*SEARCHED.split(), "sweep_grid", "features", "measure", "score_subjects"}


def of_shards(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with tar shards for training."""
    evaluation = {"source": "coco", "path": "coco"}
    config["data"] |= {"source": "webdataset", "path": "shards", "evaluation": evaluation}
    config["metrics"]["clip_like"] = config["superres"] = None
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
    changed = {name for name in cached if cached[name] != streamed[name]}
    assert changed == {"pretrain", "distill", "guided_distill"}
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


def test_order_and_number_types_of_the_grid_do_not_matter(pocket_config):
    before = all_specs(pocket_config)
    sampling = pocket_config["sampling"]
    sampling["guidance"] = [float(value) for value in reversed(sampling["guidance"])]
    sampling["steps"] = sampling["steps"][::-1]
    assert all_specs(pocket_config) == before


def test_the_sweep_has_every_cell_once(pocket_config):
    sampling = pocket_config["sampling"]
    put(pocket_config, "search.method", "grid")
    cells = Specs(load_study(pocket_config)).sweep("pretrain", "ddim").cells
    grid = {(cell.steps, cell.guidance) for cell in cells if cell.trained is None}
    assert len(grid) == len(sampling["steps"]) * len(sampling["guidance"])
    kept = [cell for cell in cells if cell.trained is not None]  # at the fixed setting
    assert [cell.trained for cell in kept] == pocket_config["training"]["keep"]
    assert {(cell.steps, cell.guidance) for cell in kept} == {(16, 6)}
    assert len(cells) == len(grid) + len(kept)


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
    spec = Specs(load_study(pocket_config)).sweep("pretrain", "ddim").model_dump()
    spec["cells"][0][field] = value
    with pytest.raises(SystemExit) as stopped:
        parser("Sample.", SweepSpec).parse_args(["--spec", json.dumps(spec)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert f"cells.0.{field}: " in error and says in error
    assert error.count("\n") == 1
