"""The CLIP score: how well an image fits its caption, as the cosine of their CLIP embeddings.

Radford et al. 2021, https://arxiv.org/abs/2103.00020, through OpenCLIP. It is the plain cosine:
neither cut at 0 nor multiplied by 2.5 (Hessel et al. 2021, https://arxiv.org/abs/2104.08718) or
by 100.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...study.metrics import Scorer
from ..scores import Towers

# architectures of OpenCLIP by the hub ids of their weights
HUB_CLIPS = {"timm/vit_large_patch14_clip_224.openai": "ViT-L-14-quickgelu"}


def load(folder: Path, device: torch.device | str) -> Towers:
    """The model of a folder. Raises whatever OpenCLIP raises."""
    import open_clip  # seconds of import that other studies need not pay

    name = f"local-dir:{folder}"
    both: Any = open_clip.create_model_from_pretrained(name, device=device)
    tokenizer: Any = open_clip.get_tokenizer(name)
    model, preprocess = both
    model.eval().requires_grad_(False)
    return Towers(
        preprocess,
        lambda pixels: model.encode_image(pixels, normalize=True),
        lambda captions: model.encode_text(tokenizer(captions).to(device), normalize=True),
    )


def untrained(scorer: Scorer) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    """Calls that embed an image and a caption, on the meta device; None: unknown architecture."""
    import open_clip

    name = HUB_CLIPS.get(scorer.pretrained, f"local-dir:{scorer.folder}")
    logging.disable(logging.WARNING)  # that the weights are random
    try:
        with torch.device("meta"):
            model: Any = open_clip.create_model(name, load_weights=False, device="meta").eval()
    except (OSError, ValueError):
        return None
    finally:
        logging.disable(logging.NOTSET)
    image = torch.empty(1, 3, *model.visual.image_size, device="meta")
    tokens = torch.zeros(1, model.context_length, dtype=torch.long, device="meta")
    return lambda: model.encode_image(image), lambda: model.encode_text(tokens)
