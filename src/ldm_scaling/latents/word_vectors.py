"""Static word vectors, as a model that transformers loads by its configuration."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from ..study.hub import WORD_VECTORS


class WordVectorsConfig(PretrainedConfig):
    """Numbers of words and vectors; by default those that the project fetches."""

    model_type = WORD_VECTORS

    def __init__(
        self,
        vocab_size: int = 266_696,
        vectors: int = 20_002,
        hidden_size: int = 300,
        **others: Any,
    ):
        super().__init__(**others)
        self.vocab_size, self.vectors, self.hidden_size = vocab_size, vectors, hidden_size
        self.num_hidden_layers = 0


class WordVectors(PreTrainedModel):
    """A table of vectors. The vector of a token does not depend on other tokens.

    Tokens share vectors, so a second table has the number of each token's vector.
    """

    config_class = WordVectorsConfig

    rows: torch.Tensor

    def __init__(self, config: WordVectorsConfig):
        super().__init__(config)
        self.vectors = nn.Embedding(config.vectors, config.hidden_size)
        self.register_buffer("rows", torch.zeros(config.vocab_size, dtype=torch.long))
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> BaseModelOutput:
        """Vectors [B, tokens, D] of tokens [B, tokens]; the mask changes nothing."""
        return BaseModelOutput(last_hidden_state=self.vectors(self.rows[input_ids]))
