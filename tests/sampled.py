"""Untrained networks to sample with, and a cell."""

from functools import cache

import numpy as np
import torch

from ldm_scaling.cells.sample import LatentSampler
from ldm_scaling.latents.autoencoder import build
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.latents import Autoencoder, TextEncoder
from ldm_scaling.workflow.specs.cells import CellSpec

CAPTIONS = ["grinning cat, flat twemoji style", "wolf, noto emoji style", "flag: Peru, 3d style"]


CELL = CellSpec(
    sampler="ddim",
    schedule="trailing",
    steps=3,
    guidance=2.5,
    n=70,
    seed=5,
    extractors=[{"name": "effnet_lite0", "input_size": 32}],
)


FAMILY = Family(
    sizes=["c8"],
    reference_size="c8",
    channel_multipliers=[1, 2],
    attention=[True, True],
    res_blocks=1,
    heads=2,
    norm_groups=4,
)


@cache
def untrained():
    """An untrained U-Net and autoencoder, and the real text encoder."""
    torch.manual_seed(0)
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=12, width=384))
    unet = build_unet(FAMILY, "c8", (4, 4, 4), encoder.model.config.hidden_size)
    settings = {
        "downsampling": 4,
        "latent_channels": 4,
        "width": 8,
        "images": 1,
        "batch": 1,
        "lr": 1.0,
    }
    autoencoder = build(Autoencoder(pretrained=None, **settings))
    for network in (unet, autoencoder):  # as the commands hold them
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return unet, autoencoder, encoder


def latent_sampler():
    """A sampler with these networks, of 70 captions."""
    unet, autoencoder, encoder = untrained()
    text = encoder(CAPTIONS).numpy()
    text = np.concatenate([text] * 24)[:70]
    empty = encoder([""])[0].numpy()
    return LatentSampler(unet, autoencoder, Diffusion(prediction="v_prediction"), text, empty)
