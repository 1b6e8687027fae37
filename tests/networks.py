"""Small stand-ins for networks whose weights are downloaded: the same interfaces and files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from torch import nn

USED = 6
"""features of `inception` that are not constant"""
CLIP_CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16}
        | {"patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32}
        | {"heads": 2, "layers": 2},
        "quick_gelu": True,
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.1]},
}


class _Inception(nn.Module):
    """Called as clean-fid calls its network: `layers` on resized, normalized images."""

    def __init__(self):
        super().__init__()
        head = nn.Linear(8 * 4, 2048)
        with torch.no_grad():
            head.weight.mul_(30)[USED:] = 0
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=5),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            head,
        )

    def forward(self, pixels: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return self.layers((pixels - 128) / 128)


def inception(folder: Path) -> Path:
    """Write a stand-in for clean-fid's Inception-v3; its file."""
    torch.manual_seed(0)
    path = folder / "inception-2015-12-05.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would like other formats
        torch.jit.script(_Inception()).save(path)
    return path


def squeezenet(folder: Path) -> tuple[nn.Module, Path]:
    """A SqueezeNet with random weights, and its file."""
    from safetensors.torch import save_file
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    network = squeezenet1_1(weights=None).eval().requires_grad_(False)
    path = folder / "squeezenet1_1.safetensors"
    save_file(network.state_dict(), path)
    return network, path


def clip(folder: Path) -> Path:
    """Write a small CLIP model as OpenCLIP does; its folder."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    model = open_clip.CLIP(**CLIP_CONFIG["model_cfg"])
    with torch.no_grad():
        for parameter in model.parameters():  # as large as trained ones, so that inputs matter
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
