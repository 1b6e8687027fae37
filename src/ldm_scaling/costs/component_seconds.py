"""Time the networks of an image at the fixed setting, on the device at hand.

Writes one row for each network: the median, least and most seconds of an image. Weights are random:
they do not change the time. Where guidance asks for two forward passes, they are one of two images,
as in sampling. A network whose architecture is unknown, or too large for the memory of a GPU, is a
row with that status.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
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
from ..training.devices import own_device
from ..training.loop import device_name
from ..workflow.specs.costs import TimeComponentsSpec
from .latency import timed
from .networks import untrained_autoencoder, untrained_text_encoder

TEXT_ENCODER, AUTOENCODER, UNET = "text_encoder", "autoencoder", "unet"


def seconds_table(spec: TimeComponentsSpec, device: torch.device) -> pd.DataFrame:
    """One row for each network; only U-Nets have a `size`, and their steps are counted."""
    fixed = spec.fixed
    texts = network_evaluations(fixed.steps, fixed.guidance) // fixed.steps
    tokens = torch.zeros(texts, spec.text_shape[0], dtype=torch.long, device=device)
    latents = torch.randn(1, *spec.latent_shape, device=device)
    rows = [
        {"component": TEXT_ENCODER}
        | _timed(lambda: untrained_text_encoder(spec.text_encoder, str(device)), tokens, spec),
        {"component": AUTOENCODER} | _timed(lambda: _decoder(spec, device), latents, spec),
    ]
    for size in sorted(spec.family.sizes, key=channels):
        noisy = latents.expand(texts, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        found = _timed(lambda size=size: _UNet(spec, size, device, texts), noisy, spec)
        scaled = {key: found[key] * fixed.steps for key in ("seconds", "lo", "hi")}
        rows.append({"component": UNET, "size": size} | found | scaled)
    return pd.DataFrame(rows, columns=["component", "size", "seconds", "lo", "hi", "status"])


class _UNet(nn.Module):
    """A U-Net of a size with the embeddings that it attends to."""

    def __init__(self, spec: TimeComponentsSpec, size: str, device: torch.device, texts: int):
        super().__init__()
        with device:
            unet = build(spec.family, size, spec.latent_shape, spec.text_shape[1])
        self.unet = nn.Module.to(unet, memory_format=torch.channels_last)
        self.text = torch.randn(texts, *spec.text_shape, device=device)

    def forward(self, latents: torch.Tensor) -> object:
        """One step."""
        return self.unet(latents, 500, self.text, return_dict=False)


def _decoder(spec: TimeComponentsSpec, device: torch.device) -> Callable | None:
    autoencoder = untrained_autoencoder(spec.autoencoder, str(device))
    return autoencoder and autoencoder.eval().requires_grad_(False).decode


@torch.inference_mode()
def _timed(
    make: Callable[[], Callable | None], given: torch.Tensor, spec: TimeComponentsSpec
) -> dict:
    """Median, least and most seconds of a call of what `make` makes, after a warm-up."""
    failed = dict.fromkeys(("seconds", "lo", "hi"), float("nan"))
    try:
        call = make()
        if call is None:
            return failed | {"status": "unknown architecture"}
        if isinstance(call, nn.Module):
            call.eval().requires_grad_(False)
        own = timed(partial(call, given), spec.repeats, given.device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return failed | {"status": "out of memory"}
    return {"seconds": statistics.median(own), "lo": min(own), "hi": max(own), "status": OK}


@command
def main(
    spec: TimeComponentsSpec,
    out: Annotated[Path, "component_seconds.csv"],
) -> None:
    device = own_device()
    table = seconds_table(spec, device)
    hardware = {"device": device_name(device), "threads": torch.get_num_threads()}
    write_text(out, to_csv(table.assign(**hardware, torch=torch.__version__)))
