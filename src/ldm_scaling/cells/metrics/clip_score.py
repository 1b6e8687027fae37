"""The CLIP score: how well an image fits its caption, as the cosine of their CLIP embeddings.

Radford et al. 2021, https://arxiv.org/abs/2103.00020, through OpenCLIP. It is the plain cosine:
neither cut at 0 nor multiplied by 2.5 (Hessel et al. 2021, https://arxiv.org/abs/2104.08718) or
by 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...jobs.cli import InputError, batches, first_line
from ...latents.pretrained import find
from ...study.metrics import Clip

BATCH = 64


class ClipScore:
    """Cosines of images with their captions; that of an image depends on the two alone."""

    def __init__(self, clip: Clip, captions: Sequence[str], device: torch.device | str = "cpu"):
        """Load the model and embed the captions.

        Raises InputError if the model's folder lacks its files or they are unusable.
        """
        import open_clip  # seconds of import that other studies need not pay

        folder = find("metrics.clip", clip.pretrained, clip.revision)
        if missing := [path for path in clip.files if not path.exists()]:
            raise InputError(f"metrics.clip: {missing[0]} is missing; OpenCLIP needs it")
        name = f"local-dir:{folder}"
        try:
            both: Any = open_clip.create_model_from_pretrained(name, device=device)
            model, self._preprocess = both
            tokenizer: Any = open_clip.get_tokenizer(name)
        except Exception as error:  # whatever a wrong configuration or torn weights lead to
            raise InputError(
                f"metrics.clip: {folder} is no model that OpenCLIP can load ({first_line(error)})"
            ) from None
        self._model, self._device = model.eval().requires_grad_(False), device
        with torch.inference_mode():
            parts = [
                model.encode_text(tokenizer(captions[rows]).to(device), normalize=True)
                for rows in batches(len(captions), BATCH)
            ]
        self._texts = torch.cat(parts)

    def __call__(self, images: np.ndarray, rows: slice) -> np.ndarray:
        """Cosines [B], float32, of RGB images [B, 3, S, S], uint8, with the captions `rows`."""
        return (self.embed(images) * self._texts[rows]).sum(dim=1).float().cpu().numpy()

    @torch.inference_mode()
    def embed(self, images: np.ndarray) -> torch.Tensor:
        """Unit vectors [B, D] of RGB images [B, 3, S, S], uint8."""
        parts = []
        for part in batches(len(images), BATCH):
            shown = [Image.fromarray(image) for image in images[part].transpose(0, 2, 3, 1)]
            pixels = torch.stack([self._preprocess(image) for image in shown]).to(self._device)
            parts.append(self._model.encode_image(pixels, normalize=True))
        return torch.cat(parts)
