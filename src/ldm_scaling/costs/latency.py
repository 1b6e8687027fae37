"""Measure a forward pass of every size on the device at hand: seconds, and memory on a GPU.

One row for each size and batch. Weights are random: they do not change the time. On a machine that
does something else too, the numbers say little; ask for this table alone.
"""

from __future__ import annotations

import statistics
import time
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
from ..training.devices import device_name, own_device
from ..workflow.specs.costs import LatencySpec

WARM_UP = 3
COLUMNS = ["size", "batch", "seconds_per_forward", "lo", "hi", "seconds_per_image", "memory_gb"]
COLUMNS += ["status", "dtype", "device", "threads", "torch"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def latency_table(spec: LatencySpec, device: torch.device, dtype: torch.dtype) -> pd.DataFrame:
    """One row for each size and batch: the median, least and most seconds of a forward pass.

    A batch that does not fit into the memory of a GPU is a row with that status.
    """
    rows = []
    sizes = sorted(spec.sizes, key=channels)
    progress = Progress("latency", len(sizes) * len(spec.latency.batches))
    for size in sizes:
        with device:
            network = build(spec.layout, size, spec.latent_shape, spec.text_shape[1])
        nn.Module.to(network.eval().requires_grad_(False), dtype)
        nn.Module.to(network, memory_format=torch.channels_last)
        for batch in sorted(spec.latency.batches):
            measured = _measure(network, batch, spec)
            rows.append({"size": size, "batch": batch} | measured)
            progress.update(len(rows), f"{size}, batch {batch}")
        del network
    return pd.DataFrame(rows)


def _measure(network: Denoiser, batch: int, spec: LatencySpec) -> dict:
    on_gpu = network.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        seconds = forward_seconds(network, batch, spec)
    except torch.cuda.OutOfMemoryError:
        return {"status": "out of memory"}
    median = statistics.median(seconds)
    return {
        "seconds_per_forward": median,
        "lo": min(seconds),
        "hi": max(seconds),
        "seconds_per_image": median / batch,
        "memory_gb": torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None,
        "status": OK,
    }


@torch.inference_mode()
def forward_seconds(network: Denoiser, batch: int, spec: LatencySpec) -> list[float]:
    """Seconds of each of the repeats of a forward pass of `batch` images, after a warm-up."""
    options = {"device": network.device, "dtype": network.dtype}
    latents = torch.randn(batch, *spec.latent_shape, **options)
    text = torch.randn(batch, *spec.text_shape, **options)
    call = partial(network, latents, 500, text, return_dict=False)
    return timed(call, spec.latency.repeats, network.device)


def timed(call: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of the repeats of a call that computes on a device, after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]


@command
def main(
    spec: LatencySpec,
    out: Annotated[Path, "latency.csv"],
    dtype: Annotated[Literal["float32", "bfloat16"], "(%(default)s)"] = "float32",
) -> None:
    device = own_device()
    table = latency_table(spec, device, DTYPES[dtype])
    hardware = {"dtype": dtype, "device": device_name(device), "threads": torch.get_num_threads()}
    table = table.assign(**hardware, torch=torch.__version__)
    write_text(out, to_csv(table.reindex(columns=COLUMNS)))
