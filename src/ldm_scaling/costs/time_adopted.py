"""Networks of adopted models on a device, with random weights and what their pipelines give them.

They are not loaded, so that a pipeline need not be downloaded if its configurations are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from ..diffusion.sampling import network_evaluations
from ..kinds.samplers import NATIVE
from ..models.adopt import Layout, Missing, read_layout
from ..study.adopted import AdoptedModel
from ..training.network import Network
from ..workflow.specs.costs import TimeAdoptedSpec
from .count_adopted import (
    Recorded,
    decoded_in,
    encoder_tokens,
    encoders_of,
    placed,
    record_call,
    untrained,
)
from .timing import AUTOENCODER, TEXT_ENCODER, UNET, Call, Denoising, Part


def denoising(model: AdoptedModel, device: torch.device, dtype: str) -> Denoising | None:
    """A model's denoiser in a dtype on a device; None if its configurations are unknown here."""
    if (layout := _known(model)) is None:
        return None
    shapes = untrained(layout, layout.kind.denoiser)
    network = untrained(layout, layout.kind.denoiser, device, dtype)

    def call(images: int) -> Call:
        return _pass(network, record_call(layout, model, shapes, images), device, dtype)

    return call


def parts(spec: TimeAdoptedSpec, device: torch.device) -> Iterator[Part]:
    """The networks of an image of each model, in its dtype at the fixed setting."""
    for model in spec.models:
        if (layout := _known(model)) is None:
            names = (TEXT_ENCODER, AUTOENCODER, UNET)
            yield from (Part(name, model.name, lambda: None) for name in names)
            continue
        scale = 1 if model.unguided else spec.fixed.guidance
        texts = network_evaluations(1, scale, layout.told)
        shapes = untrained(layout, layout.kind.denoiser)
        recorded = record_call(layout, model, shapes, texts, spec.fixed.steps)
        native = spec.fixed.sampler == NATIVE
        times = recorded.evaluations if native else spec.fixed.steps
        given = (layout, model, device)
        yield Part(TEXT_ENCODER, model.name, partial(_encoding, *given, texts))
        yield Part(AUTOENCODER, model.name, partial(_decoding, *given, recorded.latent_side))
        yield Part(UNET, model.name, partial(_denoising, *given, recorded), times)


def _known(model: AdoptedModel) -> Layout | None:
    try:
        return read_layout(model)
    except Missing:
        return None


def _pass(network: Network, recorded: Recorded, device: torch.device, dtype: str) -> Call:
    args, kwargs = placed(recorded.given, device, getattr(torch, dtype))
    return partial(network, *args, **kwargs)


def _denoising(
    layout: Layout, model: AdoptedModel, device: torch.device, recorded: Recorded
) -> Call:
    network = untrained(layout, layout.kind.denoiser, device, model.dtype)
    return _pass(network, recorded, device, model.dtype)


def _encoding(layout: Layout, model: AdoptedModel, device: torch.device, prompts: int) -> Call:
    calls: list[Call] = []
    for name in encoders_of(layout):
        encoder = untrained(layout, name, device, model.dtype)
        tokens = encoder_tokens(layout, model, name, encoder)
        ids = torch.zeros(prompts, tokens, dtype=torch.long, device=device)
        calls.append(partial(encoder, ids))
    return lambda: [call() for call in calls]


def _decoding(layout: Layout, model: AdoptedModel, device: torch.device, side: int) -> Call:
    dtype = decoded_in(layout, model, untrained(layout, "vae"))
    autoencoder = untrained(layout, "vae", device, dtype)
    shape = (1, autoencoder.config.latent_channels, side, side)
    latents = torch.randn(shape, device=device, dtype=getattr(torch, dtype))
    return partial(autoencoder.decode, latents)
