"""PickScore: a cosine times the model's own scale, about 100, as its authors give it.

Kirstain et al. 2023, https://arxiv.org/abs/2305.01569, section 4.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..scores import Towers
from . import preference

untrained = preference.untrained


def load(folder: Path, device: torch.device | str) -> Towers:
    """The model of a folder. Raises whatever transformers raises."""
    return preference.load(folder, device, scaled=True)
