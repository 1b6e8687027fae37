"""Measure a forward pass of every size on the device at hand: seconds, and memory on a GPU.

One row for each size and batch, or adopted model and batch. Weights are random: they do not change
the time. On a machine that does something else too, the numbers say little; ask for this table
alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import torch
from torch import nn

from ..jobs.cli import Progress
from ..jobs.command import command
from ..jobs.tables import OK, to_csv
from ..jobs.workdir import write_text
from ..kinds.sizes import channels
from ..models.denoiser import Denoiser, build
from ..training.devices import device_name, forget_peak, own_device, peak_gb
from ..workflow.specs.costs import AdoptedLatencySpec, LatencySpec
from .timing import OUT_OF_MEMORY, UNKNOWN, Call, Denoising, timed

COLUMNS = ["size", "batch", "seconds_per_forward", "lo", "hi", "seconds_per_image", "memory_gb"]
COLUMNS += ["status", "dtype", "device", "threads", "torch"]
OWN = "own"
"""dtype of weights as they are used: of an adopted model its own, of a trained one float32"""


def latency_table(
    spec: LatencySpec | AdoptedLatencySpec, device: torch.device, dtype: str = OWN
) -> pd.DataFrame:
    """One row for each size and batch: the median, least and most seconds of a forward pass.

    A batch that does not fit into the memory of a GPU, or a model whose configuration is unknown,
    is a row with that status.
    """
    rows, networks = [], _networks(spec, device, dtype)
    progress = Progress("latency", len(networks) * len(spec.latency.batches))
    for (size, own), make in networks.items():
        call, status = _made(make)
        for batch in sorted(spec.latency.batches):
            measured = _measure(call, batch, spec.latency.repeats, device) if call else {}
            rows.append({"size": size, "batch": batch, "status": status, "dtype": own} | measured)
            progress.update(len(rows), f"{size}, batch {batch}")
        del call
    return pd.DataFrame(rows)


_Networks = dict[tuple[str, str], Callable[[], Denoising | None]]
"""what makes a network, by its size and its dtype"""


def _networks(
    spec: LatencySpec | AdoptedLatencySpec, device: torch.device, dtype: str
) -> _Networks:
    if isinstance(spec, LatencySpec):
        own = "float32" if dtype == OWN else dtype
        sizes = sorted(spec.sizes, key=channels)
        return {(size, own): partial(_trained, spec, size, device, own) for size in sizes}
    from .time_adopted import denoising  # seconds of import

    chosen = [(model, model.dtype if dtype == OWN else dtype) for model in spec.models]
    return {(model.name, own): partial(denoising, model, device, own) for model, own in chosen}


def _trained(spec: LatencySpec, size: str, device: torch.device, dtype: str) -> Denoising:
    with device:
        network = build(spec.layout, size, spec.latent_shape, spec.text_shape[1])
    nn.Module.to(network.eval().requires_grad_(False), getattr(torch, dtype))
    nn.Module.to(network, memory_format=torch.channels_last)
    return partial(forward_pass, network, spec)


def forward_pass(network: Denoiser, spec: LatencySpec, images: int) -> Call:
    """A forward pass of a network for so many images of the study's shapes."""
    options = {"device": network.device, "dtype": network.dtype}
    latents = torch.randn(images, *spec.latent_shape, **options)
    text = torch.randn(images, *spec.text_shape, **options)
    return partial(network, latents, 500, text, return_dict=False)


def _made(make: Callable[[], Denoising | None]) -> tuple[Denoising | None, str]:
    """A network, and the status of its rows if there is none."""
    try:
        return make(), UNKNOWN
    except torch.cuda.OutOfMemoryError:
        return None, OUT_OF_MEMORY


@torch.inference_mode()
def _measure(call: Denoising, batch: int, repeats: int, device: torch.device) -> dict:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    forget_peak(device)
    try:
        seconds = timed(call(batch), repeats, device)
    except torch.cuda.OutOfMemoryError:
        return {"status": OUT_OF_MEMORY}
    median = statistics.median(seconds)
    return {
        "seconds_per_forward": median,
        "lo": min(seconds),
        "hi": max(seconds),
        "seconds_per_image": median / batch,
        "memory_gb": peak_gb(device),
        "status": OK,
    }


@command
def main(
    spec: LatencySpec | AdoptedLatencySpec,
    out: Annotated[Path, "latency.csv"],
    dtype: Annotated[
        Literal["own", "float32", "bfloat16"],
        "of weights; own: of adopted models theirs, else float32 (%(default)s)",
    ] = OWN,
) -> None:
    device = own_device()
    table = latency_table(spec, device, dtype)
    hardware = {"device": device_name(device), "threads": torch.get_num_threads()}
    table = table.assign(**hardware, torch=torch.__version__)
    write_text(out, to_csv(table.reindex(columns=COLUMNS)))
