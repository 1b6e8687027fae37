"""Parameters and FLOPs of denoisers, counted on networks without weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

from ...diffusion.guidance import text_projections
from ...kinds.sizes import channels
from ...study.family import Family, Layout
from ...training.network import Network

Build = Callable[[Layout, str, tuple[int, int, int], int], Network]
"""makes a network: layout, size, latent shape [C, h, w], width of the text"""
Cost = tuple[int, float, float]
"""parameters, GFLOPs of a forward pass, and GFLOPs of the text in it"""


def count_params(network: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_flops(call: Callable[[], object]) -> float:
    """FLOPs of a call of networks on the meta device (2 a multiply-add, zero padding counted).

    A processor's own attention kernels escape the counter.
    """
    from torch.utils.flop_counter import FlopCounterMode  # it imports triton

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return float(counter.get_total_flops())


def count_gflops(network: Network, text_tokens: int) -> float:
    """GFLOPs of one forward pass for one image; the network must be on the meta device."""
    config, device = network.config, network.device
    if device.type != "meta":
        raise ValueError("count FLOPs of a network that was built under torch.device('meta')")
    shape = (1, config.in_channels, config.sample_size, config.sample_size)
    text = torch.empty(1, text_tokens, config.cross_attention_dim, device=device)
    pixels, time = torch.empty(shape, device=device), torch.zeros(1, device=device)
    return count_flops(lambda: network(pixels, time, text)) / 1e9


def count_size(
    build: Build,
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    size: str,
    forward: bool = True,
) -> Cost:
    """What a size costs, for embeddings [tokens, width] of the text; its GFLOPs if asked for."""
    with torch.device("meta"):
        network = build(family, size, latent_shape, text_shape[1])
    macs = text_shape[0] * sum(layer.weight.numel() for layer in text_projections(network))
    gflops = count_gflops(network, text_shape[0]) if forward else math.nan
    return count_params(network), gflops, 2 * macs / 1e9


def count_sizes(
    build: Build,
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    each: Callable[..., Iterable] = map,
) -> dict[str, Cost]:
    """What every size costs, smallest first; `each` maps as Python's own does."""
    sizes = sorted(family.sizes, key=channels)
    costs = each(partial(count_size, build, family, latent_shape, text_shape), sizes)
    return dict(zip(sizes, costs, strict=True))
