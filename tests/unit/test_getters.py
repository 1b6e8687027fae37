"""What rules read and tell their commands, by the study and the wildcards of a job."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from snakemake.iocontainers import InputFiles, Wildcards
from studies import put

from ldm_scaling.study import hub
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import paths, patterns
from ldm_scaling.workflow.inputs import Inputs
from ldm_scaling.workflow.options import Options
from ldm_scaling.workflow.specs.models import DistillSpec, PretrainSpec

REVISION = "ab" * 20
WEBDATASET = {
    "source": "webdataset",
    "path": "tars",
    "evaluation": {"source": "coco", "path": "coco"},
}


def job(**wildcards: str) -> Wildcards:
    """The wildcards of a job."""
    return Wildcards(fromdict=wildcards)


def reads(**files: list[str]) -> InputFiles:
    """The inputs of a job, by name."""
    return InputFiles(fromdict=files)


@pytest.fixture
def study(pocket_config):
    """A function of changed keys, with __ for the dot: the pocket study with them."""

    def changed(**changes):
        for key, value in changes.items():
            put(pocket_config, key.replace("__", "."), value)
        return load_study(pocket_config)

    return changed


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """A working directory without anything of the repository's."""
    monkeypatch.chdir(tmp_path)


# ------------------------------------------------------------ inputs


def test_the_autoencoder_is_trained_downloaded_in_a_folder_or_in_the_repository(study, tmp_path):
    def files(**changes):
        named = {f"latents__autoencoder__{key}": value for key, value in changes.items()}
        return Inputs(study(**named)).autoencoder(job())

    assert files(pretrained=None) == [
        "results/latents/autoencoder/config.json",
        "results/latents/autoencoder/diffusion_pytorch_model.safetensors",
    ]
    marker = f"resources/hub/models/some--vae/{REVISION}/prefetched.json"
    assert files(pretrained="some/vae", revision=REVISION) == [marker]
    assert files(pretrained="folder", revision=None) == []  # its job says so
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/config.json").touch()
    assert files(pretrained="folder") == ["folder/config.json"]
    shipped = "pretrained/autoencoder-emoji32"
    config = str(hub.REPOSITORY / shipped / "config.json")
    assert files(pretrained=shipped)[0] == ("" if "{" in config else config)
    (tmp_path / shipped).mkdir(parents=True)
    (tmp_path / shipped / "config.json").touch()
    assert files(pretrained=shipped) == [f"{shipped}/config.json"]


def test_braces_of_the_repositorys_folder_are_not_taken_for_wildcards(tmp_path):
    found = [tmp_path / "own.py", "/clone of {user}/module.py", "/clone/module.py"]
    assert paths.inputs_of(found) == ["own.py", "/clone/module.py"]


def test_models_read_packed_latents_or_an_index_of_shards(study):
    packed = {
        "latents": "results/latents/train.safetensors",
        "text": "results/latents/text_train.safetensors",
    }
    assert Inputs(study()).training(job()) == packed
    own = Inputs(study()).pair_training(job(stage="budget_minilm-l3"))
    text = "results/latents/budget_minilm-l3/text_train.safetensors"
    assert own == packed | {"text": text}
    assert Inputs(study()).pair_training(job(stage="budget_minilm-l6")) == packed  # the study's own

    changes = {"data": study().data.model_dump() | WEBDATASET, "metrics__clip_like": None}
    shards = study(**changes, superres=None, latents__parts=2)
    index = {"index": "results/data/index.safetensors"}
    parts = [f"results/latents/train/part{part}.safetensors" for part in range(2)]
    assert Inputs(shards).training(job()) == index | {"latents": parts, "text": parts}
    streamed = Inputs(study(latents__cache=False)).training(job())
    assert set(streamed) == {"index", "autoencoder"}


def test_students_wait_for_their_teachers(study):
    inputs = Inputs(study(guided_distill__steps=[16, 8]))
    model = {"size": "c12", "seed": "0"}
    (weights, *_), summary = inputs.teacher(job(**model)), "summary.json"
    assert weights == "results/models/pretrain/c12/seed0/unet/diffusion_pytorch_model.safetensors"
    assert inputs.teacher(job(steps="16", **model))[-1].endswith(f"pretrain/c12/seed0/{summary}")
    second = inputs.teacher(job(steps="8", **model))
    assert second[-1] == f"results/models/guided_distill16/c12/seed0/{summary}"
    with pytest.raises(StudyError, match=r"guided_distill.steps: has no student of 2 steps"):
        inputs.teacher(job(steps="2", **model))


def test_a_student_with_a_discriminator_has_held_out_images_too(study):
    arms = {"noise": {"eta": 0.2, "substeps": 1}}
    arms["all"] = arms["noise"] | {"adversary": {"weight": 0.4, "lr": 0.001}}
    own = study(distill__stochastic=arms)
    inputs, options = Inputs(own), Options(own)
    model = {"size": "c12", "seed": "0"}
    both = [job(stage=f"distill_{arm}", **model) for arm in arms]
    plain, judged = map(inputs.arm_training, both)
    assert plain == inputs.training(both[0]) == {k: v for k, v in judged.items() if k != "held_out"}
    folder = "results/latents"
    files = [f"{folder}/validation.safetensors", f"{folder}/text_validation.safetensors"]
    assert judged["held_out"] == files
    without, told = (
        options.arm_training(*given) for given in zip(both, (plain, judged), strict=True)
    )
    assert told == [*without, f"--held-out {' '.join(files)}"]
    assert inputs.teacher(both[1]) == inputs.teacher(job(**model))
    with pytest.raises(StudyError, match=r"config key distill.stochastic.other: is null"):
        inputs.arm_training(job(stage="distill_other", **model))


def test_super_resolution_compares_with_its_own_images(study, tmp_path):
    inputs = Inputs(study())
    captions = inputs.compared("data", "csv")
    assert captions(job(stage="pretrain")) == "results/data/test.csv"
    assert captions(job(stage="superres")) == "results/data/test.csv"  # made smaller
    photos = {"path": str(tmp_path), "patches": 900}
    (tmp_path / "a.png").touch()
    inputs = Inputs(study(superres__validation=photos))
    captions = inputs.compared("data", "csv")
    assert captions(job(stage="pretrain")) == "results/data/test.csv"
    assert captions(job(stage="superres")) == "results/data/superres/photos_validation.csv"
    always = inputs.compared("data", "csv", superres=True)
    assert always(job()) == captions(job(stage="superres"))
    assert inputs.photographs(job(split="validation")) == [str(tmp_path / "a.png")]
    assert inputs.clip_like(job(stage="superres")) == []
    assert inputs.clip_like(job(stage="pretrain")) != []


@pytest.mark.parametrize("sampler", ["ddim", "ddim/leading"])
def test_a_search_compares_with_the_reference(study, sampler):
    sweep = job(stage="pretrain", size="c12", seed="0", sampler=sampler)
    searching, whole = (Inputs(study(search={"method": it})) for it in ("adaptive", "grid"))
    reference = ["results/cells/reference/test.safetensors"]
    assert searching.searched_reference(sweep) == reference
    assert whole.searched_reference(sweep) == []


def test_a_getter_made_for_one_rule_is_not_that_of_another(study):
    inputs, sizes = Inputs(study()), job(sizes="c12-c48", seed="3")
    weights, summary = inputs.stitched("weights"), inputs.stitched("summary")
    models = [f"results/models/pretrain/{size}/seed3" for size in ("c12", "c48")]
    assert weights(sizes) == [f"{m}/unet/diffusion_pytorch_model.safetensors" for m in models]
    assert summary(sizes) == [f"{model}/summary.json" for model in models]


# ------------------------------------------------------------ options


def test_a_spec_is_of_the_wildcards_that_are_named(study):
    own = study()
    spec = Options(own).spec(PretrainSpec.of, "size", "seed")
    again = Options(own).spec(DistillSpec.of, "size", "seed")
    model = job(stage="x", size="c20", seed="7")
    assert json.loads(spec(model)) == json.loads(PretrainSpec.of(own, "c20", 7).model_dump_json())
    assert json.loads(again(model))["stage"] == "distill"


def test_state_has_a_folder_a_job_and_all_schedules_of_a_sampler_one(study):
    options = Options(study(name="mine"))
    model = {"stage": "distill", "size": "c12", "seed": "1"}
    assert options.work("pretrain")(job(size="c12", seed="1")) == "results/mine/work/pretrain/c12/1"
    both = [options.sweep_work(job(**model, sampler=name)) for name in ("lcm", "lcm/leading")]
    assert both == ["results/mine/work/sweep/distill/c12/1/lcm"] * 2


def test_options_are_those_that_the_inputs_ask_for(study):
    inception = {"name": "inception_v3", "input_size": 299, "components": None}
    metrics = {"metrics__extractors": [inception], "metrics__clip_like": None}
    options = Options(study(latents__autoencoder__revision=None, **metrics))
    file = "resources/inception-2015-12-05.pt"
    given = reads(extractor=[file, "folder"], scored=["a.csv", "model"], superres=[])
    expected = [f"--weights {file}", "--captions a.csv"]
    assert options.measuring(job(stage="pretrain"), given) == expected
    enlarged = reads(extractor=[], scored=[], superres=["low", "high", "squeezenet"])
    assert options.measuring(job(stage="superres"), enlarged) == [
        "--condition low",
        "--originals high",
        "--perceptual resources/squeezenet1_1.safetensors",
    ]
    assert options.autoencoder_revision == ""
    assert options.training(job(), reads(latents=["a b", "c"], text=["d"])) == [
        "--latents 'a b' c",
        "--text d",
    ]
    assert options.stitched(job(sizes="c12-c20-c48", seed="0")) == [
        "--model results/models/pretrain/c12/seed0",
        "--then results/models/pretrain/c20/seed0",
        "--then results/models/pretrain/c48/seed0",
        "--autoencoder pretrained/autoencoder-emoji32",
        "",
    ]


def test_every_path_is_one_word_of_its_command(study):
    def words(told):
        return shlex.split(told if isinstance(told, str) else " ".join(told))

    own = study(metrics__clip_like=None).with_results("my results")
    options, pretrained, files = Options(own), job(stage="pretrain"), ["a b", "c d", "e f"]
    enlarged = reads(extractor=[], scored=[], superres=files)
    condition = words(options.measuring(job(stage="superres"), enlarged))
    assert condition[:4] == ["--condition", "a b", "--originals", "c d"]
    measured = options.measuring(pretrained, reads(extractor=[], scored=["c d"]))
    assert words(measured) == ["--captions", "c d"]
    for name in ("reference", "clip_like", "head"):
        told = getattr(options, name)(pretrained, reads(**{name: ["a b"]}))
        assert words(told) == [f"--{name.replace('_', '-')}", "a b"]
    folders = [f"my results/models/pretrain/{size}/seed0" for size in ("c12", "c20")]
    stitched = words(options.stitched(job(sizes="c12-c20", seed="0")))
    autoencoder = ["--autoencoder", "pretrained/autoencoder-emoji32"]
    assert stitched == ["--model", folders[0], "--then", folders[1], *autoencoder]
    assert words(options.archive(job(), ["a b"])) == ["--archive", "a b"]
    assert words(options.subject_source(job())) == ["--data", "my results/data"]

    shards = study(data=own.data.model_dump() | WEBDATASET, superres=None)
    told = words(Options(shards).pair_training(job(), reads(index="a b")))
    assert told == ["--index", "a b", "--shards", "tars"]


def test_another_folder_of_results_is_that_of_every_path(study):
    own = study().with_results("some/where")
    assert Inputs(own).pretrained(job(size="c12", seed="0"))[0].startswith("some/where/models/")
    assert Options(own).work("distill")(job(seed="0")).startswith("some/where/work/")
    assert paths.autoencoder(own.with_results("other")) == "pretrained/autoencoder-emoji32"
    trained = study(latents__autoencoder__pretrained=None).with_results("some/where")
    assert paths.autoencoder(trained) == "some/where/latents/autoencoder"


# ------------------------------------------------------------ wildcards


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("size", "c12 c320", "c c0 c12-c20 d8"),
        ("sizes", "c12-c20 c12-c20-c48", "c12 c12- c1-c2-c3-c4"),
        ("stage", "pretrain guided_distill4 superres_scratch budget_t5-11b", "stitch dreambooth"),
        ("stage", "distill distill_own", "distill_ distill_a-b"),
        ("split", "train test", "superres/train"),
        ("sampler", "ddim ddim/leading", "ddim_ Ddim ddim/grid"),
        ("cell", "steps8_guidance1.5 steps2_guidance3_trained0.5", "steps8 steps8_guidance"),
    ],
)
def test_wildcards_of_paths(name, right, wrong, pocket_config):
    pattern = patterns.wildcards(load_study(pocket_config))[name]
    assert all(re.fullmatch(pattern, text) for text in right.split())
    assert not any(re.fullmatch(pattern, text) for text in wrong.split())
