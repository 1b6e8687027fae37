"""A key changes the specs that depend on it, and no other."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from studies import put, whole

from ldm_scaling.claims.decide import metrics_of
from ldm_scaling.study.fields import Strict, StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.study.study import Study
from ldm_scaling.workflow.specs.cells import IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.claims import ClaimsSpec
from ldm_scaling.workflow.specs.costs import (
    CostSpec,
    CountComponentsSpec,
    FamilySpec,
    LatencySpec,
    TimeComponentsSpec,
)
from ldm_scaling.workflow.specs.data import IndexSpec, PrepareSpec
from ldm_scaling.workflow.specs.dreambooth import (
    DreamBoothSpec,
    EncodeSubjectsSpec,
    PriorSpec,
    ScoreSubjectsSpec,
    SubjectsSpec,
)
from ldm_scaling.workflow.specs.latents import (
    AutoencoderSpec,
    EncodeImagesSpec,
    EncodePartSpec,
    EncodeTextSpec,
)
from ldm_scaling.workflow.specs.measuring import (
    BaselinesSpec,
    ClipLikeSpec,
    FeaturesSpec,
    MeasureSpec,
)
from ldm_scaling.workflow.specs.models import DistillSpec, GuidedDistillSpec, PretrainSpec
from ldm_scaling.workflow.specs.noise import NoiseLossesSpec
from ldm_scaling.workflow.specs.superres import DegradeSpec, SuperResSpec
from ldm_scaling.workflow.specs.tables import ParamBudgetSpec, SearchCostSpec


def all_specs(config: dict[str, Any]) -> dict[str, str]:
    """The JSON of every spec; of models, those of c16 with seed 0."""
    study = load_study(config)
    named = {
        "prepare": PrepareSpec.of(study),
        "autoencoder": AutoencoderSpec.of(study),
        "encode_images": EncodeImagesSpec.of(study),
        "encode_text": EncodeTextSpec.of(study),
        "index": IndexSpec.of(study),
        "encode_part": EncodePartSpec.of(study, 0),
        "pretrain": PretrainSpec.of(study, "c16", 0),
        "noise": NoiseLossesSpec.of(study),
        "sweep": SweepSpec.of(study, "pretrain", "ddim", "c12"),
        "sweep_leading": SweepSpec.of(study, "pretrain", "ddim/leading", "c12"),
        "distill": DistillSpec.of(study, "c16", 0),
        "guided_distill": GuidedDistillSpec.of(study, 8, "c16", 0),
        "sweep_lcm": SweepSpec.of(study, "distill", "lcm"),
        "features": FeaturesSpec.of(study),
        "validation-features": FeaturesSpec.of(study, "validation"),
        "measure": MeasureSpec.of(study, "pretrain"),
        "floors": MeasureSpec.of(study),
        "search_cost": SearchCostSpec.of(study),
        "illustrate": IllustrateSpec.of(study, "c12", 0),
        "cost": CostSpec.of(study),
        "family": FamilySpec.of(study),
        "components": CountComponentsSpec.of(study),
        "seconds": TimeComponentsSpec.of(study),
        "latency": LatencySpec.of(study),
        "claims": ClaimsSpec.of(study),
        **(enlarging(study) if study.superres else {}),
        **(subjects(study) if study.dreambooth else {}),
        **(pairs(study) if study.param_budget else {}),
        **(arms(study) if study.curriculum else {}),
    }
    if study.stitch:
        named["stitch"] = SweepSpec.of_stitched(study, "c20-c48")
    if study.metrics.clip_like:
        named["clip_like"] = ClipLikeSpec.of(study)
    return {name: spec.model_dump_json() for name, spec in named.items()}


def enlarging(study: Study) -> dict[str, Strict]:
    """Those of super-resolution."""
    return {
        "degrade": DegradeSpec.of(study, "train"),
        "degrade_n": DegradeSpec.of(study, "validation"),
        "superres": SuperResSpec.of(study, "superres", "c12", 0),
        "scratch": SuperResSpec.of(study, "superres_scratch", "c12", 0),
        "sweep_superres": SweepSpec.of(study, "superres", "ddim"),
        "measure_superres": MeasureSpec.of(study, "superres"),
        "baselines": BaselinesSpec.of(study),
    }


def subjects(study: Study) -> dict[str, Strict]:
    """Those of DreamBooth."""
    return {
        "subjects": SubjectsSpec.of(study),
        "encode_subjects": EncodeSubjectsSpec.of(study),
        "prior": PriorSpec.of(study, "c12", 0),
        "dreambooth": DreamBoothSpec.of(study, "c12", 0, 1),
        "score_subjects": ScoreSubjectsSpec.of(study, "c12", 0),
    }


def pairs(study: Study) -> dict[str, Strict]:
    """Those of the parameter budget."""
    return {
        "pair_text": EncodeTextSpec.of(study, "budget_minilm-l3"),
        "pair": PretrainSpec.of_pair(study, "budget_minilm-l3", "c20", 0),
        "pair_counts": CountComponentsSpec.of_pairs(study),
        "splits": ParamBudgetSpec.of(study),
    }


def arms(study: Study) -> dict[str, Strict]:
    """Those of models that are trained by a curriculum."""
    return {
        "arm": PretrainSpec.of_curriculum(study, "curriculum_easy_to_hard", "c16", 0),
        "sweep_arm": SweepSpec.of(study, "curriculum_easy_to_hard", "ddim", "c12"),
    }


TAUGHT = "prior dreambooth score_subjects"
"""specs of models that are taught"""
MEASURED = "measure floors measure_superres baselines"
COUNTED = "family components seconds"
SHAPED = f"cost latency claims pair_counts {COUNTED}"
"""specs that know the shapes of latents"""
SEARCHED = "sweep sweep_leading sweep_lcm stitch"
"""specs of cells whose guidance is searched"""
REPLAYED = f"{SEARCHED} search_cost"
DIFFUSED = f"pretrain pair distill guided_distill superres scratch {TAUGHT}"
DIFFUSED += " noise sweep sweep_leading sweep_lcm sweep_superres stitch"
ENCODED = "encode_images encode_part encode_subjects"
ALL_TAUGHT = f"subjects encode_subjects {TAUGHT}"
CURRICULUM = {"clusters": 5, "share": 0.1, "order": "easy_to_hard"}
LPIPS = {"network": "alex", "weights": "alexnet.pth"}
CHANGES = [
    ("superres.lr", 0.01, "superres scratch"),
    ("superres.min_snr_gamma", None, "superres scratch"),
    ("superres.keep", [0.5], "superres scratch sweep_superres"),
    ("superres.scratch", ["c20"], ""),
    ("superres.n", 128, "degrade_n sweep_superres measure_superres baselines"),
    ("superres.steps", [16], "sweep_superres"),
    ("superres.fixed_steps", 8, "sweep_superres claims"),
    ("superres.degradation.second.blur", 0.1, "degrade degrade_n"),
    ("superres.lpips", LPIPS, "sweep_superres measure_superres baselines claims"),
    ("superres.training", {"path": "photos", "patches": 300}, ""),
    ("superres.validation", {"path": "photos", "patches": 300}, ""),
    ("dreambooth.lr", 0.5, "dreambooth"),
    ("dreambooth.prior_weight", 0.5, "dreambooth"),
    ("dreambooth.prior_images", 5, "prior"),
    ("dreambooth.subjects", 3, "subjects claims"),
    ("dreambooth.token", "bar", "encode_subjects"),
    ("dreambooth.prompts", ["{subject}"], "encode_subjects score_subjects"),
    ("dreambooth.images_per_prompt", 3, "score_subjects"),
    ("dreambooth.dino", {"pretrained": "dino"}, "score_subjects claims"),
    ("dreambooth.sizes", ["c12"], ""),
    ("dreambooth.path", "folder", "subjects"),
    ("stitch.shares", [0.5], "stitch"),
    ("stitch.steps", [8], "stitch"),
    ("stitch.sampler", "dpmpp", "stitch"),
    ("stitch.sizes", [["c20", "c48"]], ""),
    ("training.min_snr_gamma", None, "pretrain pair dreambooth"),
    ("name", "mine", "claims"),
    ("seed", 7, f"prepare autoencoder clip_like subjects degrade degrade_n claims {MEASURED}"),
    ("data.image_size", 64, f"prepare encode_part subjects {SHAPED}"),
    ("data.styles", ["noto"], "prepare clip_like subjects"),
    ("data.path", "folder", ""),
    ("data.max_images", 3000, "prepare index"),
    ("data.revision", "ab" * 20, ""),
    ("data.evaluation", {"source": "coco", "path": "x"}, f"prepare clip_like claims {ALL_TAUGHT}"),
    ("latents.parts", 4, "encode_part"),
    ("data.splits.test", 900, "prepare"),
    (
        "latents.autoencoder.downsampling",
        8,
        f"autoencoder {ENCODED} {SHAPED}",
    ),
    (
        "latents.autoencoder.latent_channels",
        4,
        f"autoencoder {ENCODED} {SHAPED}",
    ),
    ("latents.autoencoder.width", 64, f"autoencoder pair_counts {COUNTED}"),
    ("latents.autoencoder.lr", 0.5, "autoencoder"),
    ("latents.autoencoder.pretrained", "other", f"pair_counts {ENCODED} {COUNTED}"),
    ("latents.autoencoder.pretrained", None, f"pair_counts {ENCODED} {COUNTED}"),
    ("latents.autoencoder.revision", "ab" * 20, f"pair_counts {ENCODED} {COUNTED}"),
    (
        "latents.text_encoder.pretrained",
        "other",
        f"encode_text encode_part clip_like encode_subjects {COUNTED}",
    ),
    (
        "latents.text_encoder.max_tokens",
        32,
        f"encode_text encode_part clip_like encode_subjects pair_text {SHAPED}",
    ),
    (
        "latents.text_encoder",
        {"pretrained": "some/folder", "max_tokens": 20, "width": 512},
        f"encode_text encode_part clip_like encode_subjects cost latency claims {COUNTED}",
    ),
    ("family.sizes", ["c12", "c20", "c24", "c32", "c48"], f"cost latency claims {COUNTED}"),
    ("family.reference_size", "c32", f"pretrain pair cost claims {COUNTED}"),
    ("family.res_blocks", 2, f"pretrain pair scratch {SHAPED}"),
    ("family.channel_multipliers", [1, 2, 3], f"pretrain pair scratch {SHAPED}"),
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
    ("training.lr", 0.5, "pretrain pair"),
    ("training.images", 64000, "pretrain"),
    ("training.caption_dropout", 0.2, "pretrain pair"),
    ("training.seeds", [1], ""),
    ("training.keep", [0.5], "pretrain noise sweep"),
    ("training.curriculum", CURRICULUM, "pretrain pair claims"),
    ("distill.lr", 0.5, "distill"),
    ("distill.teacher_steps", 25, "distill sweep_lcm"),
    ("distill.stochastic", {"own": {"eta": 0.2, "substeps": 2}}, "search_cost claims"),
    ("guided_distill.lr", 0.5, "guided_distill"),
    ("guided_distill.sizes", ["c48"], ""),
    ("guided_distill.steps", [8, 4], "search_cost"),
    ("sampling.students.steps", [4], "sweep_lcm search_cost"),
    ("sampling.students.guidance", [3], "sweep_lcm search_cost"),
    ("sampling.guidance", [1, 2, 3], "sweep sweep_leading stitch illustrate search_cost"),
    ("sampling.steps", [2, 4], "sweep sweep_leading illustrate search_cost"),
    ("sampling.most_steps", {"c12": 8}, "sweep sweep_leading illustrate search_cost"),
    ("sampling.most_steps", {"c20": 8}, "search_cost"),
    ("sampling.seed", 5, f"{SEARCHED} noise sweep_superres illustrate score_subjects"),
    ("sampling.n", 256, f"{REPLAYED} noise measure floors"),
    ("search.look", 0.5, REPLAYED),
    ("search.method", "grid", f"{SEARCHED} claims"),
    ("metrics.bootstrap", 100, f"clip_like {MEASURED}"),
    ("metrics.confidence", 0.9, f"clip_like claims search_cost splits {MEASURED}"),
    ("metrics.clip_like.epochs", 7, "clip_like measure floors"),
    ("metrics.select_by", "kid", f"illustrate claims splits {REPLAYED}"),
    ("metrics.extractors.0.components", 32, f"{MEASURED} {REPLAYED}"),
    ("metrics.extractors.0.components", None, f"{MEASURED} {REPLAYED}"),
    (
        "metrics.extractors.0.input_size",
        128,
        f"{SEARCHED} sweep_superres features validation-features baselines score_subjects",
    ),
    ("latency.batches", [1, 4], "latency"),
    ("figures.budgets", [1], "illustrate claims"),
    ("figures.budgets", [16, 8, 4, 2, 1, 0.5, 0.25], ""),
    ("figures.prompts", [1, 0], "illustrate"),
    ("figures.guidance_sizes", ["c20"], ""),
    ("sampling.fixed.guidance", 7.5, "sweep illustrate prior score_subjects claims seconds"),
]


@pytest.mark.parametrize(("key", "value", "names"), CHANGES)
def test_a_key_changes_the_specs_that_depend_on_it(pocket_config, key, value, names):
    before = all_specs(pocket_config)
    put(pocket_config, key, value)
    after = all_specs(pocket_config)
    assert {name for name in before if before[name] != after.get(name)} == set(names.split())


@pytest.mark.parametrize(
    ("key", "value", "names"),
    [
        ("curriculum.share", 0.5, "arm"),
        ("curriculum.clusters", 3, "arm"),
        ("curriculum.by", "snr", "arm"),
        ("curriculum.sizes", ["c12"], ""),
        ("training.lr", 0.5, "pretrain pair arm"),
        ("training.images", 64000, "pretrain arm"),
        ("sampling.steps", [2, 4], "sweep sweep_arm sweep_leading illustrate search_cost"),
        ("training.keep", [0.5], "pretrain arm noise sweep"),
    ],
)
def test_arms_have_the_keys_of_pretraining_and_their_own(pocket_config, key, value, names):
    config = whole(pocket_config)
    before = all_specs(config)
    put(config, key, value)
    after = all_specs(config)
    assert {name for name in before if before[name] != after[name]} == set(names.split())


@pytest.mark.parametrize("guidance", [6, 7.5])
def test_a_search_of_arms_has_what_that_of_pretrained_models_has(pocket_config, guidance):
    put(pocket_config, "curriculum", {"clusters": 5, "share": 0.25})
    put(pocket_config, "sampling.fixed.guidance", guidance)
    study = load_study(pocket_config)
    stages = ("pretrain", "curriculum_easy_to_hard")
    one, arm = (SweepSpec.of(study, stage, "ddim", "c12") for stage in stages)
    assert one.search and arm.search
    assert [cell for cell in one.cells if cell.trained is None] == arm.cells != []


def test_claims_know_the_sampler_of_the_figures_and_the_decay(pocket_config):
    put(pocket_config, "sampling.samplers", ["dpmpp", "ddim"])
    put(pocket_config, "training.decay", "constant")
    study = load_study(pocket_config)
    spec = ClaimsSpec.of(study)
    assert (spec.figure_sampler, spec.fixed.sampler) == ("dpmpp", "ddim")
    assert spec.decay == "constant"


def test_claims_ask_for_what_is_measured_of_super_resolution(pocket_config):
    for extractor in (None, {"name": "inception_v3", "input_size": 299, "components": None}):
        if extractor:
            pocket_config["metrics"]["extractors"] = [extractor]
        study = load_study(pocket_config)
        claims, measured = ClaimsSpec.of(study), MeasureSpec.of(study, "superres").names
        assert ("inception_score" in measured) == bool(extractor)
        assert set(metrics_of("superres", claims)) <= set(measured)
        # whichever metric chooses the guidance
        other = claims.model_copy(update={"quality": "another_metric"})
        assert ("inception_score" in metrics_of("superres", other)) == bool(extractor)


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
    scorer = {"name": "clip_score", "pretrained": "some/model", "revision": "a" * 40}
    pocket_config["metrics"]["scorers"] = [scorer]
    assert all_specs(pocket_config) != without
    before = all_specs(pocket_config)
    put(pocket_config, "metrics.scorers.0.revision", "b" * 40)
    after = all_specs(pocket_config)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        *SEARCHED.split(),
        "features",
        "measure",
        "floors",
        "score_subjects",
    }


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
    with pytest.raises(StudyError, match=r"^config key data\.evaluation: .*set null"):
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
    cells = SweepSpec.of(load_study(pocket_config), "pretrain", "ddim").cells
    grid = {(cell.steps, cell.guidance) for cell in cells if cell.trained is None}
    assert len(grid) == len(sampling["steps"]) * len(sampling["guidance"])
    kept = [cell for cell in cells if cell.trained is not None]  # at the fixed setting
    assert [cell.trained for cell in kept] == pocket_config["training"]["keep"]
    assert {(cell.steps, cell.guidance) for cell in kept} == {(16, 6)}
    assert len(cells) == len(grid) + len(kept)


def test_specs_survive_json(pocket_config):
    study = load_study(pocket_config)
    spec = PretrainSpec.of(study, "c16", 0)
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec
