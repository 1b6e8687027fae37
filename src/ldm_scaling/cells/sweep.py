"""Sample all cells of one (model, sampler): noise to latents to images to features, in memory.

Image i of a cell starts from its own seeded noise, the same for every model, sampler, step count,
guidance scale and batch size. Writes `features.safetensors` (of each cell a float16 array [n, D];
with a CLIP model also {cell}/clip, float32 [n], cosines of images and prompts),
`images.safetensors` (the first images of a cell, uint8, for contact sheets) and `cells.json`
(steps, guidance, n, NFE, seconds an image, status). What has been sampled stays in the work folder:
a new scale or step count samples the new cells only. Several processes, by torch's launcher, share
the cells and give the same files as one.
"""

from __future__ import annotations

import contextlib
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from ..cli import InputError, Progress, Slice, SliceEnded, add_work_dir, parser, positive, run
from ..devices import (
    check_gpus,
    in_precision,
    own_device,
    precision,
    process_count,
    process_index,
)
from ..diffusion.samplers import make_scheduler, network_evaluations, sample_latents
from ..latents.autoencoder import decode, load, to_uint8, weights_hash
from ..loop import Stream, row_generators
from ..models.family import load_unet
from ..shards import fingerprint_of, map_array, write_arrays
from ..specs import CellSpec, SweepSpec
from ..study import SHEET_IMAGES, Diffusion
from ..workdir import Busy, WorkDir, fingerprint, write_json
from .features import Measuring, add_measuring, load_measuring

BATCH = 128
"""images that are sampled at a time, unless the command says fewer"""
SAVE_SECONDS = 10


@dataclass
class Sampled:
    """What has been sampled of a cell."""

    features: torch.Tensor
    """float16, [images, D]"""
    sheet: torch.Tensor
    """uint8, [at most SHEET_IMAGES, 3, S, S]"""
    clip: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """float32, [images]; empty without a CLIP model"""
    seconds: float = 0.0
    """sampling and decoding so far"""
    sampled: int = 0
    """images so far, the diverged ones too"""
    diverged: bool = False

    @classmethod
    def read(cls, path: Path) -> Sampled:
        """From a state file."""
        return cls(**torch.load(path, weights_only=True))

    def write(self, path: Path) -> None:
        """To a state file."""
        with path.open("wb") as file:  # given a path, torch hides that a disk is full
            torch.save(vars(self), file)


def cell_name(cell: CellSpec) -> str:
    """The name of a cell within its (model, sampler)."""
    kept = "" if cell.trained is None else f"_trained{cell.trained:g}"
    return f"steps{cell.steps}_guidance{cell.guidance:g}{kept}"


def initial_noise(seed: int, rows: range, shape: tuple[int, ...]) -> torch.Tensor:
    """Unit noise [len(rows), *shape]; a row depends on the seed and its number only."""
    return torch.stack(
        [torch.randn(shape, generator=g) for g in row_generators(Stream.SAMPLING, seed, rows)]
    )


class Sampler:
    """A model with what turns its latents into images and features."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        autoencoder: nn.Module,
        diffusion: Diffusion,
        text: np.ndarray,
        empty: np.ndarray,
    ):
        self.unet = unet.to(memory_format=torch.channels_last)  # up to a third faster
        self.autoencoder = autoencoder.to(memory_format=torch.channels_last)
        self.diffusion = diffusion
        self._text = text
        self._empty = torch.from_numpy(np.array(empty)).to(unet.device).float()

    def images(self, cell: CellSpec, rows: range) -> tuple[np.ndarray, bool]:
        """uint8 images [len(rows), 3, S, S] of prompts `rows`, and whether all are finite."""
        config = self.unet.config
        shape = (config.in_channels, config.sample_size, config.sample_size)
        text = torch.from_numpy(np.array(self._text[rows.start : rows.stop]))
        latents = sample_latents(
            self.unet,
            make_scheduler(cell.sampler, self.diffusion),
            initial_noise(cell.seed, rows, shape).to(self.unet.device),
            text.to(self.unet.device).float(),
            self._empty,
            cell.steps,
            cell.guidance,
            list(row_generators(Stream.SAMPLING_STEPS, cell.seed, rows)),
        )
        pixels = decode(self.autoencoder, latents)
        finite = latents.isfinite().all() and pixels.isfinite().all()
        return to_uint8(pixels), bool(finite)


def sample_cell(
    sampler: Sampler,
    measuring: Measuring,
    cell: CellSpec,
    work: WorkDir,
    time_slice: Slice,
    batch: int | None = None,
) -> Sampled:
    """Sample a cell, from its newest saved state, to its end or until it diverges.

    Raises SliceEnded if the slice is over; what has been sampled is saved.
    """
    nothing = Sampled(torch.empty(0, dtype=torch.half), torch.empty(0, dtype=torch.uint8))
    state = work.load(Sampled.read) or nothing
    batch, save_at = batch or BATCH, time.monotonic() + SAVE_SECONDS
    while state.sampled < cell.n and not state.diverged:
        rows = range(state.sampled, min(state.sampled + batch, cell.n))
        began = time.monotonic()
        images, finite = sampler.images(cell, rows)
        state.seconds += time.monotonic() - began
        if finite:
            features = torch.from_numpy(measuring.extractor(images)).half()
            state.features = torch.cat([state.features, features])
            shown = torch.from_numpy(images[: max(0, SHEET_IMAGES - rows.start)])
            state.sheet = torch.cat([state.sheet, shown])
            if measuring.clip:
                prompts = slice(rows.start, rows.stop)
                cosines = torch.from_numpy(measuring.clip(images, prompts))
                state.clip = torch.cat([state.clip, cosines])
        state.sampled, state.diverged = rows.stop, not finite
        ended, whole = time_slice.ended(), rows.stop == cell.n or state.diverged
        if ended or whole or time.monotonic() > save_at:
            work.save(state.sampled, state.write)
            save_at = time.monotonic() + SAVE_SECONDS
        if ended:
            raise SliceEnded("sweep: slice ended; what has been sampled is saved")
    return state


def record(cell: CellSpec, state: Sampled) -> dict:
    """A cell's entry in cells.json."""
    return {
        "name": cell_name(cell),
        "steps": cell.steps,
        "guidance": cell.guidance,
        "n": cell.n,
        "nfe": network_evaluations(cell.steps, cell.guidance),
        "seconds": float(f"{state.seconds / state.sampled:.4g}"),
        "trained": cell.trained or 1.0,
        "status": "diverged" if state.diverged else "ok",
    }


def _check_text(spec: SweepSpec, path: Path, sampler: Sampler) -> None:
    rows, width = map_array(path, "text").shape[::2]
    wanted = sampler.unet.config.cross_attention_dim
    if width != wanted:
        raise InputError(f"{path}: embeddings are {width} wide, the model attends to {wanted}")
    largest = max(cell.n for cell in spec.cells)
    if rows < largest:
        raise InputError(f"{path} has {rows} prompts, fewer than n = {largest}")


def sample_among_processes(cells: list[CellSpec], sample: Callable[[CellSpec], object]) -> None:
    """Sample every cell that no other process is at, this one's share of them first."""
    index, count = process_index(), process_count()
    cells = cells[index::count] + [c for n, c in enumerate(cells) if n % count != index]
    progress = Progress(f"process {index}: cells", len(cells))
    for number, cell in enumerate(cells, start=1):
        with contextlib.suppress(Busy):
            sample(cell)
        progress.update(number, cell_name(cell))


def add_arguments(arguments: ArgumentParser) -> None:
    """Add the command's arguments, the spec and the work folder aside."""
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument(
        "--autoencoder", required=True, help="diffusers folder or downloaded hub id"
    )
    arguments.add_argument("--autoencoder-revision", help="commit of the hub id")
    arguments.add_argument("--text", required=True, type=Path, help="embeddings of the prompts")
    arguments.add_argument("--out", required=True, type=Path, help="folder to write to")
    arguments.add_argument("--gpus", type=int, default=0, help="stop if torch sees fewer GPUs")
    arguments.add_argument(
        "--batch", type=positive(int), default=BATCH, help="images at a time (%(default)s)"
    )


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, SweepSpec)
    add_arguments(arguments)
    add_measuring(arguments)
    add_work_dir(arguments)
    options = arguments.parse_args()
    check_gpus(options.gpus)
    spec: SweepSpec = options.spec
    time_slice = Slice(options.max_seconds)
    device = own_device()
    autoencoder = load(options.autoencoder, options.autoencoder_revision).to(device)
    text, empty = (map_array(options.text, name) for name in ("text", "empty"))
    others = [weights_hash(autoencoder), fingerprint_of(options.text)]

    @lru_cache(maxsize=1)  # a model is large; its cells come one after the other
    def sampler_of(trained: float | None) -> tuple[Sampler, list[str]]:
        unet = load_unet(options.model, trained).to(device)
        decides = [weights_hash(unet), *others]
        unet = in_precision(unet, precision())
        return Sampler(unet, autoencoder, spec.diffusion, text, empty), decides

    _check_text(spec, options.text, sampler_of(None)[0])
    loaded: dict[tuple, Measuring] = {}

    def sample(cell: CellSpec, wait: bool) -> Sampled:
        key = (cell.extractor, cell.input_size, cell.clip, cell.n)
        if key not in loaded:
            loaded[key] = load_measuring(cell, options, cell.n, device)
        sampler, decides = sampler_of(cell.trained)
        content = fingerprint(cell, spec.diffusion, *decides, *loaded[key].files)
        with WorkDir(options.work_dir, content, wait=wait) as work:
            return sample_cell(sampler, loaded[key], cell, work, time_slice, options.batch)

    if process_count() > 1:
        sample_among_processes(spec.cells, partial(sample, wait=False))
        if process_index() > 0:
            return
    features, images, records = {}, {}, []
    progress = Progress(f"cells of {options.out}", len(spec.cells))
    for number, cell in enumerate(spec.cells, start=1):
        state = sample(cell, wait=True)
        records.append(record(cell, state))
        features[cell_name(cell)] = state.features.numpy()
        if cell.clip:
            features[f"{cell_name(cell)}/clip"] = state.clip.numpy()
        images[cell_name(cell)] = state.sheet.numpy()
        progress.update(number, f"{cell_name(cell)}: {records[-1]['status']}")
    kept = sorted({cell.trained for cell in spec.cells} - {None})
    hashes = [digest for trained in (None, *kept) for digest in sampler_of(trained)[1]]
    everything = fingerprint(spec, *hashes)
    write_arrays(options.out / "features.safetensors", features, everything)
    write_arrays(options.out / "images.safetensors", images, everything)
    write_json(options.out / "cells.json", records)


if __name__ == "__main__":
    run(main)
