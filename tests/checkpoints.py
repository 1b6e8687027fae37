"""Tiny networks with random weights, saved as repositories of the hub have them."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
)


def save_clip(folder: Path) -> CLIPModel:
    """A whole CLIP model with a tokenizer, as such repositories have it."""
    torch.manual_seed(0)
    words = {w: i for i, w in enumerate(["<pad>", "<s>", "</s>", "<unk>", "a", "wolf"])}
    raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    small["num_attention_heads"] = 2
    text = CLIPTextConfig(
        **small, vocab_size=6, max_position_embeddings=8, eos_token_id=2, projection_dim=8
    )
    image = CLIPVisionConfig(**small, image_size=8, patch_size=4, projection_dim=8)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=image.to_dict(), projection_dim=8)
    model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def save_autoencoder(folder: Path) -> AutoencoderKL:
    """An autoencoder as Stable Diffusion's, and as its repository has it."""
    torch.manual_seed(0)
    model = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.18215,
    ).eval()
    model.save_pretrained(folder)
    return model
