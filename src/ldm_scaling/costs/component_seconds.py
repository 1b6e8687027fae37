"""Time the networks of an image at the fixed setting, on the device at hand.

Writes one row for each network: the median, least and most seconds of an image. Weights are random:
they do not change the time. Where guidance asks for two forward passes, they are one of two images,
as in sampling. A network whose architecture is unknown, or too large for the memory of a GPU, is a
row with that status. Each adopted model has its own text encoder and autoencoder, and computes in
its own dtype.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from torch import nn

from ..diffusion.sampling import network_evaluations
from ..jobs.command import command
from ..jobs.tables import OK, to_csv
from ..jobs.workdir import write_text
from ..kinds.sizes import channels
from ..models.denoiser import build
from ..training.devices import device_name, own_device
from ..workflow.specs.costs import TimeAdoptedSpec, TimeComponentsSpec
from .networks import untrained_autoencoder, untrained_text_encoder
from .timing import AUTOENCODER, OUT_OF_MEMORY, TEXT_ENCODER, UNET, UNKNOWN, Call, Part, timed


def seconds_table(spec: TimeComponentsSpec | TimeAdoptedSpec, device: torch.device) -> pd.DataFrame:
    """One row for each network; steps are counted. Networks that all sizes share have no `size`."""
    rows = []
    for part in _parts(spec, device):
        found = _timed(part, spec.repeats, device)
        scaled = {key: found[key] * part.times for key in ("seconds", "lo", "hi")}
        rows.append({"component": part.component, "size": part.size} | found | scaled)
    return pd.DataFrame(rows, columns=["component", "size", "seconds", "lo", "hi", "status"])


def _parts(spec: TimeComponentsSpec | TimeAdoptedSpec, device: torch.device) -> Iterable[Part]:
    if isinstance(spec, TimeComponentsSpec):
        return _of_family(spec, device)
    from .time_adopted import parts  # seconds of import

    return parts(spec, device)


def _of_family(spec: TimeComponentsSpec, device: torch.device) -> Iterator[Part]:
    texts = network_evaluations(1, spec.fixed.guidance)
    yield Part(TEXT_ENCODER, None, partial(_encoding, spec, device, texts))
    yield Part(AUTOENCODER, None, partial(_decoding, spec, device))
    for size in sorted(spec.family.sizes, key=channels):
        yield Part(UNET, size, partial(_denoising, spec, device, texts, size), spec.fixed.steps)


def _encoding(spec: TimeComponentsSpec, device: torch.device, texts: int) -> Call | None:
    encoder = untrained_text_encoder(spec.text_encoder, str(device))
    if encoder is None:
        return None
    tokens = torch.zeros(texts, spec.text_shape[0], dtype=torch.long, device=device)
    return partial(encoder.eval().requires_grad_(False), tokens)


def _decoding(spec: TimeComponentsSpec, device: torch.device) -> Call | None:
    autoencoder = untrained_autoencoder(spec.autoencoder, str(device))
    if autoencoder is None:
        return None
    latents = torch.randn(1, *spec.latent_shape, device=device)
    return partial(autoencoder.eval().requires_grad_(False).decode, latents)


def _denoising(spec: TimeComponentsSpec, device: torch.device, texts: int, size: str) -> Call:
    with device:
        unet = build(spec.family, size, spec.latent_shape, spec.text_shape[1])
    nn.Module.to(unet.eval().requires_grad_(False), memory_format=torch.channels_last)
    text = torch.randn(texts, *spec.text_shape, device=device)
    noisy = torch.randn(1, *spec.latent_shape, device=device).expand(texts, -1, -1, -1)
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    return partial(unet, noisy, 500, text, return_dict=False)


@torch.inference_mode()
def _timed(part: Part, repeats: int, device: torch.device) -> dict:
    """Median, least and most seconds of a call, after a warm-up."""
    failed = dict.fromkeys(("seconds", "lo", "hi"), float("nan"))
    try:
        call = part.make()
        if call is None:
            return failed | {"status": UNKNOWN}
        own = timed(call, repeats, device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return failed | {"status": OUT_OF_MEMORY}
    return {"seconds": statistics.median(own), "lo": min(own), "hi": max(own), "status": OK}


@command
def main(
    spec: TimeComponentsSpec | TimeAdoptedSpec,
    out: Annotated[Path, "component_seconds.csv"],
) -> None:
    device = own_device()
    table = seconds_table(spec, device)
    hardware = {"device": device_name(device), "threads": torch.get_num_threads()}
    write_text(out, to_csv(table.assign(**hardware, torch=torch.__version__)))
