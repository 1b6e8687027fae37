"""The family: Stable Diffusion's U-Net at any base channel count, and what a forward pass costs.

Layout (Rombach et al. 2022; diffusers' UNet2DConditionModel): `res_blocks` residual blocks a level
on the way down and one more on the way up, a transformer block after each of them at the levels
with attention, and one in the middle. With four levels [c, 2c, 4c, 4c], attention at the three
highest resolutions, two residual blocks and a text width of 1024 this gives the parameter counts
of arXiv 2404.01367, Table 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode

from ...diffusion.guidance import text_projections
from ...jobs.cli import InputError
from ...kinds.sizes import channels
from ...study.family import Family, Layout

Number = TypeVar("Number", int, float)


def build_unet(
    family: Layout, size: str, latent_shape: tuple[int, int, int], text_width: int
) -> UNet2DConditionModel:
    """An untrained U-Net of a size for latents [C, h, w] and text embeddings [..., text_width]."""
    widths = [channels(size) * factor for factor in family.channel_multipliers]
    attends = family.attention
    return UNet2DConditionModel(
        sample_size=latent_shape[1],
        in_channels=latent_shape[0],
        out_channels=latent_shape[0],
        block_out_channels=widths,
        layers_per_block=family.res_blocks,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        cross_attention_dim=text_width,
        attention_head_dim=family.heads,  # diffusers' name for the number of heads
        norm_num_groups=family.norm_groups,
    )


def count_params(unet: torch.nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in unet.parameters())


def count_gflops(unet: UNet2DConditionModel, text_tokens: int) -> float:
    """GFLOPs of one forward pass for one image (2 FLOPs a multiply-add, zero padding counted).

    The U-Net must be on the meta device: a processor's own attention kernels escape the counter.
    """
    config, device = unet.config, unet.device
    if device.type != "meta":
        raise ValueError("count FLOPs of a network that was built under torch.device('meta')")
    shape = (1, config.in_channels, config.sample_size, config.sample_size)
    text = torch.empty(1, text_tokens, config.cross_attention_dim, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(torch.empty(shape, device=device), torch.zeros(1, device=device), text)
    return counter.get_total_flops() / 1e9


def count_family(
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    each: Callable[..., Iterable] = map,
) -> dict[str, tuple[int, float, float]]:
    """Parameters, GFLOPs of a forward pass and those of the text in it, of every size.

    Smallest first. The text's are its projections to keys and values, the same at every step.
    `each` maps as Python's own does, an executor's at once.

    Both are polynomials of degree 2 in c, since a layer joins widths that are constant or multiples
    of c. So three widths are counted and the sizes follow by Newton's differences, exactly; one by
    one, those of the paper would take longer than everything else in a plan. A network without
    width has no FLOPs, which spares counting those of the third.
    """
    unit = math.lcm(family.norm_groups, family.heads)
    count = partial(_count_width, family, latent_shape, text_shape)
    counts = list(each(count, (unit, 2 * unit, 3 * unit), (True, True, False)))
    params, _, text = counts[2]
    counts[2] = (params, 3 * (counts[1][1] - counts[0][1]), text)
    return {
        size: tuple(_parabola(c, channels(size) // unit) for c in zip(*counts, strict=True))
        for size in sorted(family.sizes, key=channels)
    }


def _count_width(
    family: Family,
    latent_shape: tuple[int, int, int],
    text_shape: tuple[int, int],
    width: int,
    forward: bool,
) -> tuple[int, float, float]:
    with torch.device("meta"):
        unet = build_unet(family, f"c{width}", latent_shape, text_shape[1])
    macs = text_shape[0] * sum(layer.weight.numel() for layer in text_projections(unet))
    gflops = count_gflops(unet, text_shape[0]) if forward else math.nan
    return count_params(unet), gflops, 2 * macs / 1e9


def _parabola(values: tuple[Number, Number, Number], k: int) -> Number:
    # through values at 1, 2 and 3
    first, second, third = values
    slope, bend = second - first, third - 2 * second + first
    return first + (k - 1) * slope + (k - 1) * (k - 2) // 2 * bend


def load_unet(folder: Path, trained: float | None = None) -> UNet2DConditionModel:
    """A frozen U-Net from a model's folder, or as it was at a kept fraction of its training.

    Raises InputError naming the folder if it is unusable.
    """
    try:
        if trained is None:
            unet = UNet2DConditionModel.from_pretrained(folder / "unet")
        else:
            config = UNet2DConditionModel.load_config(folder / "unet")
            unet = UNet2DConditionModel.from_config(config)
            unet.load_state_dict(_kept_weights(folder / "kept.safetensors", f"{trained:g}/"))
    except Exception as error:  # a torn file raises whatever its reader raises
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{folder}/unet cannot be loaded ({reason}); delete {folder} and run again"
        ) from None
    return unet.eval().requires_grad_(False)


def _kept_weights(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
