"""Image features of a DINO vision transformer, as transformers saves one in a folder.

Caron et al. 2021, https://arxiv.org/abs/2104.14294. The features are the last hidden state of the
class token, as DreamBooth's metric has them (Ruiz et al. 2023, section 4.2, with ViT-S/16).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ...jobs.cli import InputError, batches, first_line
from ...latents.pretrained import find
from ...study.dreambooth import Dino

BATCH = 64


class DinoFeatures:
    """Turns images into features; what it gives for an image depends on that image alone."""

    def __init__(self, dino: Dino, device: torch.device | str = "cpu"):
        """Load the model. Raises InputError if the folder lacks its files or they are unusable."""
        from transformers import AutoImageProcessor, ViTModel  # seconds that others need not pay

        folder = find("dreambooth.dino", dino.pretrained, dino.revision, files=dino.files)
        try:
            model: Any = ViTModel.from_pretrained(
                folder, add_pooling_layer=False, local_files_only=True, dtype=torch.float32
            )
            self._preprocess = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # whatever a wrong configuration or torn weights lead to
            raise InputError(
                f"dreambooth.dino: {folder} is no ViTModel that transformers can load"
                f" ({first_line(error)})"
            ) from None
        self._model, self._device = model.eval().requires_grad_(False).to(device), device

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features [B, D], float32, of RGB images [B, 3, S, S], uint8."""
        parts = []
        for rows in batches(len(images), BATCH):
            pixels = self._preprocess(
                list(torch.from_numpy(np.array(images[rows]))),
                input_data_format="channels_first",
                return_tensors="pt",
            ).pixel_values
            hidden = self._model(pixels.to(self._device)).last_hidden_state
            parts.append(hidden[:, 0].cpu().numpy())
        return np.concatenate(parts)
