"""Studies of models that exist already: what they may say, and the specs of their jobs."""

from __future__ import annotations

import re
import textwrap

import pytest
import yaml
from project import ROOT
from snakemake.utils import update_config

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import settings, stages
from ldm_scaling.workflow.downloads import downloads, hub_downloads
from ldm_scaling.workflow.specs.cells import IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.costs import CountAdoptedSpec
from ldm_scaling.workflow.specs.data import PrepareSpec
from ldm_scaling.workflow.specs.latents import EncodePromptsSpec

ADOPTED = {
    "models": [
        {"name": "large", "pretrained": "folders/large", "side": 64},
        {"name": "small", "pretrained": "folders/small", "side": 64},
        {"name": "quick", "pretrained": "folders/quick", "side": 64, "few_step_of": "large"},
    ],
    "reference": "large",
}


@pytest.fixture
def adopted_config(pocket_config):
    """The pocket study with models that exist already."""
    pocket_config["sampling"] |= {"samplers": ["dpmpp", "native"], "other_schedules": None}
    pocket_config["sampling"]["fixed"] |= {"sampler": "dpmpp"}
    return pocket_config | {"adopted": ADOPTED}


def test_a_study_that_adopts_models_trains_none(adopted_config):
    study = load_study(adopted_config)
    assert not study.trains and study.sizes == ["large", "small"]
    assert study.distill is study.superres is study.param_budget is None
    assert stages.models(study) == [
        ("pretrain", "large", 0),
        ("pretrain", "small", 0),
        ("distill", "large", 0),
    ]
    assert stages.samplers(study) == {"pretrain": ["dpmpp", "native"], "distill": ["native"]}


def test_a_mistyped_key_is_named_rather_than_the_one_that_is_missing(adopted_config):
    models, reference = ADOPTED.values()
    adopted_config["adopted"] = {"models": models, "referense": reference}
    with pytest.raises(StudyError, match=r"config key adopted\.referense: unknown key; known here"):
        load_study(adopted_config)


def test_an_adopted_model_may_have_its_own_grid(adopted_config):
    adopted_config["adopted"] = ADOPTED | {
        "models": [
            ADOPTED["models"][0],
            ADOPTED["models"][1] | {"steps": [5, 3], "guidance": [2]},
        ]
    }
    study = load_study(adopted_config)
    assert stages.grid(study, "pretrain", "small", "native") == ([3, 5], [2])
    assert stages.grid(study, "pretrain", "large", "native")[0] == [2, 4, 8, 16]
    assert stages.grid(study, "pretrain")[0] == [2, 3, 4, 5, 8, 16], "of some model"


def of_models(config, *changes, **sampling):
    """The study with changed models of the list, and with other settings of sampling."""
    models = [model | change for model, change in zip(ADOPTED["models"], changes, strict=True)]
    config["sampling"] |= sampling
    return load_study(config | {"adopted": ADOPTED | {"models": models}})


def test_an_own_list_of_steps_is_capped_as_the_studys_is(adopted_config):
    caps = {"small": 8, "dpmpp": 5}
    study = of_models(adopted_config, {}, {"steps": [3, 6, 50]}, {}, most_steps=caps)
    assert stages.grid(study, "pretrain", "small", "native")[0] == [3, 6]
    assert stages.grid(study, "pretrain", "small", "dpmpp")[0] == [3]
    assert stages.grid(study, "pretrain", sampler="native")[0] == [2, 3, 4, 6, 8, 16]
    assert stages.grid(study, "distill", "large", "native")[0] == [1, 2, 4, 8], "of a student"


def test_a_cap_may_not_leave_a_model_without_steps(adopted_config):
    with pytest.raises(StudyError, match=r"most_steps: small would have none of .* allow it 12"):
        of_models(adopted_config, {}, {"steps": [12, 30]}, {}, most_steps={"small": 8})
    with pytest.raises(StudyError, match=r"most_steps: native would have none of .* allow it 12"):
        of_models(adopted_config, {}, {"steps": [12, 30]}, {}, most_steps={"native": 8})
    few = of_models(adopted_config, {}, {"steps": [1, 30]}, {}, most_steps={"small": 1})
    assert stages.grid(few, "pretrain", "small", "native")[0] == [1]


def test_a_model_that_is_never_guided_has_the_fixed_setting_at_scale_one(adopted_config):
    fixed = {"sampler": "dpmpp", "steps": 5, "guidance": 4}
    study = of_models(adopted_config, {}, {"guidance": [1]}, {}, fixed=fixed)
    for size, scale in (("large", 4), ("small", 1)):
        spec = SweepSpec.of(study, "pretrain", "dpmpp", size)
        (own,) = [cell for cell in spec.cells if cell.steps == 5]
        assert own.guidance == scale
        assert IllustrateSpec.of(study, size, 0).setting.guidance == scale
    assert {cell.guidance for cell in SweepSpec.of(study, "pretrain", "dpmpp", "small").cells} == {
        1
    }
    strongest = CountAdoptedSpec.of(study).strongest
    assert strongest == {"large": max(study.sampling.guidance), "small": 1}
    assert CountAdoptedSpec.of_students(study).strongest == {"quick": 20}
    assert settings.unguided(study) == ["small"]


def test_figures_show_adopted_models_where_all_of_them_have_cells(adopted_config):
    adopted_config["adopted"] = ADOPTED | {
        "models": [
            ADOPTED["models"][0] | {"steps": [3, 8, 16]},
            ADOPTED["models"][1] | {"steps": [8, 5], "guidance": [6, 3, 1.5]},
            ADOPTED["models"][2],
        ]
    }
    study = load_study(adopted_config | {"search": {"method": "grid"}})
    assert settings.scales(study) == [3, 6]
    assert settings.steps_near_fixed(study) == 8
    assert settings.few_and_most_steps(study) == [3, 16], "of the model that has a student"


def test_the_fixed_setting_of_the_pipelines_own_sampler_is_sampled_whole(adopted_config):
    fixed = {"sampler": "native", "steps": 8, "guidance": 3}
    adopted_config["sampling"] |= {"fixed": fixed}
    spec = SweepSpec.of(load_study(adopted_config), "pretrain", "native", "large")
    assert [cell.name for cell in spec.cells] == ["steps8_guidance3"]
    assert spec.cells[0] in spec.search.candidates


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reference": "other"}, r"adopted\.reference: other is not among the models"),
        ({"models": [ADOPTED["models"][0]] * 2}, r"adopted\.models: large is the name of two"),
        (
            {"models": [ADOPTED["models"][0], ADOPTED["models"][2] | {"few_step_of": "other"}]},
            r"adopted\.models: quick is few_step_of other, which is no model",
        ),
        (
            {"models": [*ADOPTED["models"], ADOPTED["models"][2] | {"name": "twin"}]},
            r"adopted\.models: quick and twin are both few_step_of large",
        ),
        (
            {"models": [ADOPTED["models"][0] | {"part": "lora"}]},
            r"adopted\.models: large is a lora; name the model with few_step_of",
        ),
        (
            {"models": [*ADOPTED["models"][:2], ADOPTED["models"][2] | {"steps": [1, 2]}]},
            r"adopted\.models: quick lacks 4 steps, at which students are compared",
        ),
        (
            {
                "models": [
                    ADOPTED["models"][0] | {"steps": [3]},
                    *ADOPTED["models"][1:],
                    ADOPTED["models"][2] | {"name": "brief", "few_step_of": "small"},
                ]
            },
            r"adopted\.models: large, small share no step count",
        ),
        (
            {"models": [ADOPTED["models"][0] | {"revision": "a" * 40, "pretrained": "folder"}]},
            r"revision: folder is not a hub id",
        ),
        (
            {"models": [ADOPTED["models"][0] | {"scheduler": {"flow_shift": 3.0}}]},
            r"scheduler: lacks class; add one of diffusers",
        ),
        (
            {"models": [ADOPTED["models"][0] | {"weight_name": "lora.safetensors"}]},
            r"weight_name: is for part: lora only; remove it",
        ),
    ],
)
def test_a_wrong_list_of_models_is_refused(adopted_config, changes, why):
    adopted_config["adopted"] = ADOPTED | changes
    with pytest.raises(StudyError, match=why):
        load_study(adopted_config)


def test_samplers_of_adopted_models_are_refused_where_models_are_trained(pocket_config):
    pocket_config["sampling"]["samplers"] = ["ddim", "native"]
    with pytest.raises(StudyError, match=r"sampling\.samplers: native is for adopted models"):
        load_study(pocket_config)


def test_a_hub_id_without_its_commit_is_planned_and_not_fetched(adopted_config):
    named = [{"name": "large", "pretrained": "ORG/large", "side": 64}]
    adopted_config["adopted"] = {"models": named, "reference": "large"}
    study = load_study(adopted_config)
    assert study.adopted.models[0].lacks_revision
    with pytest.raises(StudyError, match="large has no revision; give it the full commit of ORG/"):
        downloads(study)


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ({}, ("pytorch_lora_weights.safetensors",)),
        ({"weight_name": "own_4step_lora.safetensors"}, ("own_4step_lora.safetensors",)),
        ({"subfolder": "four"}, ("four/pytorch_lora_weights.safetensors",)),
    ],
)
def test_of_a_lora_its_file_is_downloaded_and_nothing_else(adopted_config, given, files):
    lora = {"pretrained": "ORG/lora", "revision": "a" * 40, "part": "lora"}
    study = of_models(adopted_config, {}, {}, lora | given)
    (found,) = hub_downloads(study)
    assert found.include == files


def test_another_revision_of_a_model_changes_its_own_jobs_only(adopted_config):
    def specs(commit):
        named = [
            {"name": name, "pretrained": f"ORG/{name}", "side": 64, "revision": own * 40}
            for name, own in (("large", "a"), ("small", commit))
        ]
        config = adopted_config | {"adopted": {"models": named, "reference": "large"}}
        study = load_study(config)
        return [SweepSpec.of(study, "pretrain", "dpmpp", size) for size in study.sizes]

    before, after = specs("b"), specs("c")
    assert before[0] == after[0] and before[1] != after[1]


def test_where_a_model_is_sampled_does_not_change_its_encoded_prompts(adopted_config):
    def specs(**changes):
        large, _, quick = ADOPTED["models"]
        models = [large | changes, quick | {"part": "lora"} | changes]
        config = adopted_config | {"adopted": {"models": models, "reference": "large"}}
        study = load_study(config)
        return {
            stage: EncodePromptsSpec.of(study, stage, "large") for stage in ("pretrain", "distill")
        }

    assert specs(steps=[4, 5], guidance=[2]) == specs()
    assert specs(negative_prompt="blurry") != specs()


def test_whose_student_a_model_is_does_not_change_its_encoded_prompts(adopted_config):
    student = load_study(adopted_config)
    alone = [own | {"few_step_of": None} for own in ADOPTED["models"]]
    adopted_config["adopted"] = ADOPTED | {"models": alone}
    model = EncodePromptsSpec.of(load_study(adopted_config), "pretrain", "quick")
    assert EncodePromptsSpec.of(student, "distill", "large") == model


@pytest.mark.parametrize("sides", [[32, 32], [32, 64]])
def test_real_images_are_resized_as_those_of_models_only_where_some_are(adopted_config, sides):
    models = [own | {"side": side} for own, side in zip(ADOPTED["models"], sides, strict=False)]
    adopted_config["adopted"] = ADOPTED | {"models": models}
    spec = PrepareSpec.of(load_study(adopted_config))
    assert spec.clean_resize == (64 in sides)
    assert ("clean_resize" in spec.model_dump_json()) == (64 in sides), "other jobs stay valid"
    prompts = {"source": "prompts", "path": "prompts.txt"}
    adopted_config["data"] |= {"evaluation": prompts}
    scorer = {"name": "clip_score", "pretrained": "clip"}
    alone = {"extractors": [], "scorers": [scorer], "clip_like": None, "select_by": "clip_score"}
    adopted_config["metrics"] |= alone
    assert not PrepareSpec.of(load_study(adopted_config)).clean_resize, "there are no images"


def ready(text, config):
    """A study of public models with its commits, which it leaves to its user, filled in."""
    filled = re.sub("(FULL_)?COMMIT", "a" * 40, text).replace("FOLDER", "folder")
    update_config(config, yaml.safe_load(filled))
    return load_study(config)


@pytest.mark.parametrize("name", ["bksdm", "sdxl", "sana"])
def test_studies_of_public_models_measure_fid_and_list_further_metrics(pocket_config, name):
    text = (ROOT / f"studies/{name}.yaml").read_text()
    study = ready(text, pocket_config)
    assert study.metrics.selecting == "fid"
    assert study.sampling.n > 2 * 2048, "more images than dimensions"
    # the metrics that are commented out are valid once they are not
    head, own = text.split("\nmetrics:\n")
    listed = re.sub(r"^( *)# (?=[- ] |scorers:)", r"\1", own, flags=re.MULTILINE)
    assert listed != own
    metrics = ready(f"{head}\nmetrics:\n{listed}", pocket_config).metrics.names.values()
    expected = {"fid", "fd_dinov2", "cmmd", "clip_score", "pickscore", "hps"}
    assert expected <= {*metrics}


def test_the_study_that_the_guide_shows_measures_fid(pocket_config):
    guide = (ROOT / "docs/guide.md").read_text()
    _, shown = guide.split("`studies/mine.yaml`:\n\n", 1)
    shown, _ = shown.split("\n\n", 1)
    study = ready(textwrap.dedent(shown), pocket_config)
    assert study.sizes == ["large", "small"] and study.metrics.selecting == "fid"


def test_every_size_of_sana_has_one_side_and_sprint_is_their_student(pocket_config):
    study = ready((ROOT / "studies/sana.yaml").read_text(), pocket_config)
    assert study.adopted
    assert {model.side for model in study.adopted.models} == {1024}
    assert study.sizes == ["sana-600m", "sana-1600m", "sana-4800m"]
    assert list(study.adopted.students) == study.sizes[:2]
    assert stages.grid(study, "distill", "sana-600m")[0] == [1, 2, 4]
