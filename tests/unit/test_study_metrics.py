"""Metrics of a study: which networks measure what, and which do not go together."""

from __future__ import annotations

import pytest
from studies import CLIP, EFFNET, SQUEEZE, put

from ldm_scaling.kinds.metrics import METRICS
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.measuring import ClipLikeSpec


def test_likeness_is_by_the_best_network_at_hand(pocket_config):
    def of(config):
        study = load_study(config)
        return study.dreambooth.fidelity(study.metrics)

    assert of(pocket_config) == "similarity_effnet_lite0"
    pocket_config["metrics"] |= {"scorers": [CLIP], "clip_like": None}
    assert of(pocket_config) == "clip_i"
    put(pocket_config, "dreambooth.dino", {"pretrained": "dino"})
    assert of(pocket_config) == "dino"


def test_only_all_dimensions_are_fid(pocket_config):
    inception = {"name": "inception_v3", "input_size": 299, "components": 64}
    pocket_config["metrics"] |= {"extractors": [inception], "clip_like": None}
    with pytest.raises(
        StudyError, match=r"^config key metrics\.extractors\.0\.components: .* components: null"
    ):
        load_study(pocket_config)
    inception["components"] = None
    metrics = load_study(pocket_config).metrics
    named = {"fd": "fid", "fd_infinity": "fid_infinity", "kid": "kid_inception_v3"}
    assert {name: metrics.names[name] for name in named} == named
    assert str(metrics.weights) == "resources/inception-2015-12-05.pt"


def test_a_judge_is_fitted_or_a_scorer(pocket_config):
    pocket_config["metrics"] |= {"judge": {"extractor": SQUEEZE}}
    assert [str(path) for path in load_study(pocket_config).metrics.judge.inputs] == [
        "resources/squeezenet1_1.safetensors"
    ]
    pocket_config["metrics"] |= {"clip_like": None}
    with pytest.raises(StudyError, match=r"^config key metrics\.judge\.extractor: .* judge.scorer"):
        load_study(pocket_config)
    judge = {"name": "hps", "pretrained": "folder"}
    pocket_config["metrics"] |= {"scorers": [judge], "judge": {"scorer": judge}}
    with pytest.raises(StudyError, match=r"^config key metrics\.judge\.scorer: hps is also in"):
        load_study(pocket_config)
    pocket_config["metrics"] |= {"scorers": [CLIP]}
    assert load_study(pocket_config).metrics.judge.scorer.name == "hps"


def test_a_clip_model_is_not_the_text_encoder(pocket_config):
    pocket_config["metrics"] |= {"scorers": [CLIP | {"pretrained": "minilm-l6"}], "clip_like": None}
    with pytest.raises(StudyError, match=r"^config key metrics\.scorers: .*choose another model"):
        load_study(pocket_config)


@pytest.mark.parametrize(
    ("changes", "alignment"),
    [
        ({}, "clip_like"),
        ({"clip_like": None}, None),
        ({"clip_like": None, "scorers": [CLIP]}, "clip_score"),
    ],
)
def test_a_study_has_one_metric_of_alignment_at_most(pocket_config, changes, alignment):
    pocket_config["metrics"] |= changes
    metrics = load_study(pocket_config).metrics
    assert metrics.alignment == alignment
    of_captions = [name for name in metrics.names.values() if METRICS.get(name)]
    assert of_captions == [alignment] * (alignment is not None)


def test_nothing_is_fitted_without_clip_like(pocket_config):
    pocket_config["metrics"]["clip_like"] = None
    with pytest.raises(StudyError, match=r"metrics\.clip_like: is null"):
        ClipLikeSpec.of(load_study(pocket_config))


def test_styles_are_tested_by_themselves_where_held_out_images_have_them(pocket_config):
    assert ClipLikeSpec.of(load_study(pocket_config)).styles == pocket_config["data"]["styles"]
    pocket_config["data"]["evaluation"] = {"source": "coco", "path": "x"}
    assert ClipLikeSpec.of(load_study(pocket_config)).styles == []


def test_metrics_have_their_extractors_name(pocket_config):
    clip = {"name": "clip", "input_size": 336, "components": None, "pretrained": "folder"}
    pocket_config["metrics"] |= {"extractors": [EFFNET, clip], "scorers": [CLIP], "clip_like": None}
    metrics = load_study(pocket_config).metrics
    of_features = ["fd", "fd_infinity", "kid", "precision", "recall", "density", "coverage"]
    named = [f"{name}_{own}" for own in ("effnet_lite0", "clip") for name in of_features]
    assert list(metrics.names.values()) == [*named, "cmmd", "clip_score"]
    assert metrics.weights is None
