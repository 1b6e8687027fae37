"""The frozen text encoder: captions to token embeddings, through transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    CLIPTextModel,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    T5EncoderModel,
)
from transformers.utils import logging as transformers_logging

from ..jobs.cli import InputError, first_line
from ..study.hub import BUILT_IN_ENCODERS, WORD_VECTORS, WORD_VECTORS_FILES
from ..study.latents import TextEncoder
from ..training.devices import to_encode
from ..training.network import Network
from .packaged import FOLDERS, GRAPHS, load_graph
from .pretrained import find
from .word_vectors import WordVectors, WordVectorsConfig

transformers_logging.disable_progress_bar()  # of loading a few weights
AutoConfig.register(WordVectorsConfig.model_type, WordVectorsConfig)
AutoModel.register(WordVectorsConfig, WordVectors)


def locate(spec: TextEncoder) -> Path:
    """The folder of a text encoder: in a package, downloaded, or the user's own.

    It has configuration and tokenizer, and the weights unless they are in an ONNX graph.
    """
    if spec.pretrained == WORD_VECTORS:
        if missing := [path for path in WORD_VECTORS_FILES if not path.exists()]:
            raise InputError(
                f"text encoder {spec.pretrained}: {missing[0]} is missing; delete"
                f" {missing[0].parent} and run: snakemake --cores 1 prefetch (with the study's"
                " --configfile)"
            )
        return WORD_VECTORS_FILES[0].parent
    if packaged := FOLDERS.get(spec.pretrained):
        return packaged.find(spec.pretrained)
    return find("text encoder", spec.pretrained, spec.revision, "text_encoder")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the list of weights that are not loaded, such as those of layers that are cut off."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def is_clip(config: PretrainedConfig) -> bool:
    """Whether a configuration is that of a CLIP model or of its text half."""
    return config.model_type in ("clip", "clip_text_model")


def read_config(spec: TextEncoder) -> PretrainedConfig:
    """The configuration of a text encoder with its first layers; of a CLIP model, of its text half.

    Raises what transformers does, and InputError if it has fewer layers than are to be kept.
    """
    config = AutoConfig.from_pretrained(locate(spec), local_files_only=True)
    config = getattr(config, "text_config", config)
    if spec.pretrained in GRAPHS:
        config.num_hidden_layers = BUILT_IN_ENCODERS[spec.pretrained].layers
    return cut(config, spec)


def cut(config: PretrainedConfig, spec: TextEncoder) -> PretrainedConfig:
    """The configuration with only the first layers, if the study keeps only those."""
    if spec.layers is None:
        return config
    if spec.layers > (count := config.num_hidden_layers):
        raise InputError(
            f"text encoder {spec.pretrained}: has {count} layers; set layers: {count} or fewer, not"
            f" {spec.layers}"
        )
    config.num_hidden_layers = spec.layers
    return config


def model_class(config: PretrainedConfig) -> Any:
    """The class of a text encoder in transformers: T5's encoder, CLIP's text half, or any model."""
    if is_clip(config):
        return CLIPTextModel
    return T5EncoderModel if config.model_type == "t5" else AutoModel


def load_model(spec: TextEncoder, config: PretrainedConfig) -> Network:
    """A text encoder with its weights, float32. Raises the errors of transformers."""
    if graph := GRAPHS.get(spec.pretrained):
        return load_graph(graph.find(spec.pretrained), config)
    with _quiet():
        return model_class(config).from_pretrained(
            locate(spec), config=config, local_files_only=True, dtype=torch.float32
        )


def load_tokenizer(spec: TextEncoder) -> PreTrainedTokenizerBase:
    """The tokenizer of a text encoder.

    Raises the errors of transformers, and InputError if there are no files of a tokenizer.

    Where the files of a tokenizer are missing, transformers makes one that knows no word.
    """
    folder = locate(spec)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    names = sorted({"tokenizer.json", *tokenizer.vocab_files_names.values()})
    if not any((folder / name).exists() for name in names):
        raise InputError(
            f"text encoder {spec.pretrained}: {folder} has no tokenizer, which is"
            f" {' or '.join(names)}; copy it there (a pipeline has it in its folder tokenizer)"
        )
    return tokenizer


class CaptionEncoder:
    """Encodes captions as Stable Diffusion does: padded to max_tokens, last hidden state.

    Encoders like BERT and T5 mask the padding. A CLIP text model sees it, as in diffusers'
    pipeline. The U-Net always sees all max_tokens embeddings. Weights are float32 until
    `to_encode`.
    """

    def __init__(self, spec: TextEncoder, device: torch.device | str = "cpu"):
        try:
            config = read_config(spec)
            self.is_clip = is_clip(config)
            self.tokenizer = load_tokenizer(spec)
            model = load_model(spec, config)
        except InputError:
            raise
        except Exception as error:  # whatever a wrong configuration or torn weights lead to
            raise InputError(
                f"text encoder {spec.pretrained}: is not a text model that transformers can load"
                f" ({first_line(error)})"
            ) from None
        positions = getattr(model.config, "max_position_embeddings", spec.max_tokens)
        if spec.max_tokens > positions:
            raise InputError(
                f"text encoder {spec.pretrained}: reads at most {positions} tokens; set"
                f" latents.text_encoder.max_tokens to no more, not {spec.max_tokens}"
            )
        if (width := model.config.hidden_size) != spec.width:
            raise InputError(
                f"text encoder {spec.pretrained}: makes embeddings {width} wide, not {spec.width};"
                f" set width: {width}"
            )
        self.model = model.eval().requires_grad_(False).to(device)
        self.max_tokens = spec.max_tokens

    def to_encode(self, device: torch.device) -> None:
        """Move the encoder to a device, in the device's precision for what networks train on."""
        self.model = to_encode(self.model, device)

    @torch.no_grad()
    def __call__(self, captions: list[str]) -> torch.Tensor:
        """Embeddings [B, max_tokens, D], float32, on the encoder's device."""
        return self._encode(captions, "max_length")[0]

    @torch.no_grad()
    def sentences(self, captions: list[str]) -> torch.Tensor:
        """One embedding for each caption, [B, D]: the mean over its own tokens, not the padding."""
        embeddings, mask = self._encode(captions, "longest")
        own = mask[..., None].float()
        return (embeddings * own).sum(dim=1) / own.sum(dim=1).clamp(min=1)

    def _encode(self, captions: list[str], padding: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings [B, tokens, D], and a mask [B, tokens] that is 0 for padding."""
        tokens = self.tokenizer(
            captions,
            padding=padding,
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        mask = None if self.is_clip else tokens.attention_mask
        output = self.model(tokens.input_ids, attention_mask=mask)
        return output.last_hidden_state.float(), tokens.attention_mask
