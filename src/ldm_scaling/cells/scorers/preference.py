"""Models of human preference, which are CLIP models that were fine-tuned on choices of people.

They are folders of transformers' CLIPModel. Images and captions are prepared as CLIP's are, by
what OpenCLIP has for it, so that the folder needs no processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from ...latents.pretrained import load_frozen
from ...study.metrics import Scorer
from ..scores import Towers

# CLIP ViT-H-14 (Cherti et al. 2022, https://arxiv.org/abs/2212.07143), which both models are of
_VIT_H: dict[str, Any] = {
    "projection_dim": 1024,
    "text_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
    "vision_config": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
    },
}


def load(folder: Path, device: torch.device | str, *, scaled: bool) -> Towers:
    """The model of a folder; `scaled` multiplies cosines by its own factor.

    Raises whatever transformers raises.
    """
    import open_clip  # seconds of import that other studies need not pay
    from transformers import CLIPModel

    model = load_frozen(CLIPModel, folder, device)
    config = model.config
    length = config.text_config.max_position_embeddings
    tokenizer = open_clip.SimpleTokenizer(context_length=length)
    preprocess: Any = open_clip.image_transform(config.vision_config.image_size, is_train=False)

    def images(pixels: torch.Tensor) -> torch.Tensor:
        pooled = model.vision_model(pixel_values=pixels).pooler_output
        return normalize(model.visual_projection(pooled), dim=-1)

    def texts(captions: list[str]) -> torch.Tensor:
        pooled = model.text_model(input_ids=tokenizer(captions).to(device)).pooler_output
        return normalize(model.text_projection(pooled), dim=-1)

    return Towers(preprocess, images, texts, float(model.logit_scale.exp()) if scaled else 1.0)


def untrained(scorer: Scorer) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Calls that embed an image and a caption, on the meta device.

    As the folder's configuration has it; of a model that is not there, as its authors published it.
    """
    from transformers import CLIPConfig, CLIPModel

    path = scorer.folder / "config.json"
    config: Any = CLIPConfig.from_dict(json.loads(path.read_bytes()) if path.exists() else _VIT_H)
    with torch.device("meta"):
        model: Any = CLIPModel(config).eval()
    side, length = config.vision_config.image_size, config.text_config.max_position_embeddings
    pixels = torch.empty(1, 3, side, side, device="meta")
    tokens = torch.zeros(1, length, dtype=torch.long, device="meta")
    return (
        lambda: model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output),
        lambda: model.text_projection(model.text_model(input_ids=tokens).pooler_output),
    )
