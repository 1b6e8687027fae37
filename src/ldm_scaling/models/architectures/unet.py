"""Stable Diffusion's U-Net at any base channel count.

Layout (Rombach et al. 2022; diffusers' UNet2DConditionModel): `res_blocks` residual blocks a level
on the way down and one more on the way up, a transformer block after each of them at the levels
with attention, and one in the middle. With four levels [c, 2c, 4c, 4c], attention at the three
highest resolutions, two residual blocks and a text width of 1024 this gives the parameter counts
of arXiv 2404.01367, Table 1.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from ...jobs.light_imports import light_diffusers
from ...kinds.sizes import channels
from ...study.family import Family, Layout
from ...training.network import Network
from .counting import Cost, count_size

with light_diffusers():
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

Number = TypeVar("Number", int, float)

NETWORK: Any = UNet2DConditionModel  # its own types of what it takes and has are wrong
BLOCKS = (ResnetBlock2D, BasicTransformerBlock)
"""what is divided among processes one by one"""


def build(
    layout: Layout, size: str, latent_shape: tuple[int, int, int], text_width: int
) -> Network:
    """An untrained U-Net of a size for latents [C, h, w] and text embeddings [..., text_width]."""
    widths = [channels(size) * factor for factor in layout.channel_multipliers]
    attends = layout.attention
    return NETWORK(
        sample_size=latent_shape[1],
        in_channels=latent_shape[0],
        out_channels=latent_shape[0],
        block_out_channels=widths,
        layers_per_block=layout.res_blocks,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        cross_attention_dim=text_width,
        attention_head_dim=layout.heads,  # diffusers' name for the number of heads
        norm_num_groups=layout.norm_groups,
    )


def told(unet: Network, width: int) -> Network:
    """A copy that is told the guidance scale, embedded in `width` channels.

    At first it does not listen to the scale, unless the U-Net itself does.
    """
    student = NETWORK.from_config(unet.config, time_cond_proj_dim=width)
    nn.init.zeros_(student.time_embedding.cond_proj.weight)
    student.load_state_dict(student.state_dict() | unet.state_dict())
    return student


def conditioned(unet: Network) -> Network:
    """A copy with as many input channels again, which at first change nothing."""
    result = NETWORK.from_config(unet.config, in_channels=2 * unet.config.in_channels)
    weights = unet.state_dict()
    first = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([first, torch.zeros_like(first)], dim=1)
    result.load_state_dict(weights)
    return result


def discriminator(unet: Network, rank: int | None) -> Network:
    """A copy that gives a map of scores [B, 1, h, w], at first 0, with its decoder half to train.

    With a rank, LoRA (Hu et al. 2021) of every linear layer there is trained instead. The last
    layer is new, and trained in any case.
    """
    network = copy.deepcopy(unet).requires_grad_(False)
    if rank:
        from peft import LoraConfig  # a second that others need not pay

        half = network.up_blocks.named_modules(prefix="up_blocks")
        linear = [name for name, layer in half if isinstance(layer, nn.Linear)]
        network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=linear))
    else:
        network.up_blocks.requires_grad_(True)
        network.conv_norm_out.requires_grad_(True)
    # the gradients of a bias would cancel between real and generated latents, and Adam would make
    # large steps of their rounding errors
    network.conv_out = nn.Conv2d(network.conv_out.in_channels, 1, 3, padding=1, bias=False)
    nn.init.zeros_(network.conv_out.weight)
    return network


def bottleneck(unet: Network) -> nn.Module:
    """The layer whose output is h-space (Kwon et al. 2023): the block in the middle."""
    return unet.mid_block


def count(
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    each: Callable[..., Iterable] = map,
) -> dict[str, Cost]:
    """What every size costs, smallest first; `each` maps as Python's own does, in parallel or not.

    All costs are polynomials of degree 2 in c, since a layer joins widths that are constant or
    multiples of c. So three widths are counted and the sizes follow by Newton's differences,
    exactly; one by one, those of the paper would take longer than everything else in a plan. A
    network without width has no FLOPs, which spares counting those of the third.
    """
    unit = math.lcm(family.norm_groups, family.heads)
    widths = [f"c{unit}", f"c{2 * unit}", f"c{3 * unit}"]
    one = partial(count_size, build, family, latent_shape, text_shape)
    counts = list(each(one, widths, (True, True, False)))
    params, _, text = counts[2]
    counts[2] = (params, 3 * (counts[1][1] - counts[0][1]), text)
    return {
        size: tuple(_parabola(c, channels(size) // unit) for c in zip(*counts, strict=True))
        for size in sorted(family.sizes, key=channels)
    }


def _parabola(values: tuple[Number, Number, Number], k: int) -> Number:
    # through values at 1, 2 and 3
    first, second, third = values
    slope, bend = second - first, third - 2 * second + first
    return first + (k - 1) * slope + (k - 1) * (k - 2) // 2 * bend
