"""Denoisers of any architecture: built, loaded, counted and changed by the module of their name.

Every denoiser has the interface of diffusers' U-Net, whatever it is inside: it is called with
noisy latents [B, C, h, w], timesteps [B] or [] and text [B, L, D], as `timestep_cond` perhaps with
embeddings of the guidance scale, and its configuration has in_channels, out_channels, sample_size,
cross_attention_dim and time_cond_proj_dim.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import torch
from safetensors import safe_open
from torch import nn

from ..jobs.cli import InputError, first_line
from ..kinds.architectures import ARCHITECTURES, FOLDER
from ..study.family import Family, Layout
from ..training.network import Network
from .architectures.counting import Cost

Denoiser = Network
LEVELS_SEEN = "levels_seen"
"""in the summary of a model that was trained by a curriculum: noise levels of each checkpoint"""


def _module(architecture: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.architectures.{architecture}")


def _module_of(network_name: str) -> ModuleType:
    """The architecture whose networks are of this class. Raises KeyError if there is none."""
    return _module({own.network: own.name for own in ARCHITECTURES.values()}[network_name])


def build(
    layout: Layout, size: str, latent_shape: tuple[int, int, int], text_width: int
) -> Denoiser:
    """An untrained denoiser of a size for latents [C, h, w] and text embeddings [..., D]."""
    return _module(layout.architecture).build(layout, size, latent_shape, text_width)


def count(
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    each: Callable[..., Iterable] = map,
) -> dict[str, Cost]:
    """Parameters, GFLOPs of a forward pass and those of the text in it, of every size.

    Smallest first. The text's are its projections to keys and values, the same at every step.
    `each` maps as Python's own does, an executor's at once.
    """
    return _module(family.architecture).count(family, latent_shape, text_shape, each)


def told(network: Denoiser, width: int) -> Denoiser:
    """A copy, to train, that is told the guidance scale and at first does not listen to it."""
    return _module_of(type(network).__name__).told(network, width).train()


def discriminator(network: Denoiser, rank: int | None) -> Denoiser:
    """A copy that scores latents; its decoder half, or LoRA of that rank there, is to train."""
    return _module_of(type(network).__name__).discriminator(network, rank).train()


def conditioned(network: Denoiser) -> Denoiser:
    """A copy, to train, with as many input channels again, which at first change nothing."""
    return _module_of(type(network).__name__).conditioned(network).train()


def bottleneck(network: Denoiser) -> nn.Module:
    """The layer whose output says what an image will show, as a vector for each image."""
    return _module_of(type(network).__name__).bottleneck(network)


def blocks(network: Denoiser) -> tuple[type[nn.Module], ...]:
    """What is divided among processes one by one."""
    return _module_of(type(network).__name__).BLOCKS


def alike(network: Denoiser) -> Denoiser:
    """An untrained network of the same shape."""
    return type(network).from_config(network.config)


def input_shape(network: Denoiser) -> tuple[int, int, int]:
    """Channels, height and width of what it sees."""
    side = network.config.sample_size
    return network.config.in_channels, side, side


def load(folder: Path, trained: float | None = None) -> Denoiser:
    """A frozen denoiser from a model's folder, or as it was at a kept fraction of its training.

    Raises InputError naming the folder if it is unusable.
    """
    own = folder / FOLDER
    try:
        config = json.loads((own / "config.json").read_text())
        kind = _module_of(config["_class_name"]).NETWORK
        if trained is None:
            network = kind.from_pretrained(own)
        else:
            network = kind.from_config(kind.load_config(own))
            network.load_state_dict(_kept_weights(folder / "kept.safetensors", f"{trained:g}/"))
    except Exception as error:  # a torn file raises whatever its reader raises
        reason = first_line(error)
        raise InputError(
            f"{own} cannot be loaded ({reason}); delete {folder} and run again"
        ) from None
    return network.eval().requires_grad_(False)


def has_seen(folder: Path, levels: int, trained: float | None = None) -> bool:
    """Whether a model, or what it was at a kept fraction, was trained at all of so many levels.

    A curriculum may not have come so far; its summary says so. Raises InputError if that is torn.
    """
    path = folder / "summary.json"
    try:
        seen = json.loads(path.read_text()).get(LEVELS_SEEN) if path.exists() else None
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}); delete {folder} and run again"
        ) from None
    return seen is None or seen[f"{trained or 1:g}"] == [0, levels - 1]


def _kept_weights(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
