"""HPS v2.1, the Human Preference Score: the cosine of an image and its caption.

Wu et al. 2023, https://arxiv.org/abs/2306.09341, section 4.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..scores import Towers
from . import preference

untrained = preference.untrained


def load(folder: Path, device: torch.device | str) -> Towers:
    """The model of a folder. Raises whatever transformers raises."""
    return preference.load(folder, device, scaled=False)
