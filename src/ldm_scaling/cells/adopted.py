"""Sample images from an adopted pipeline; `PipelineSampler` is an `ImageMaker`.

Image i has its own random generator, so its noise does not depend on the batch, the steps or the
guidance. Pipelines whose calls accept noise and whose latents have the same shape share the noise.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.resize import resized
from ..diffusion.pipeline_solvers import adopted_solver
from ..diffusion.sampling import Trajectory
from ..jobs.arrays import fingerprint_of, map_array, read_header
from ..jobs.cli import InputError
from ..jobs.seeds import Stream, row_generators
from ..kinds.samplers import NATIVE
from ..latents.autoencoder import to_uint8
from ..models.adopt import Layout, check_setting, files_hash, load, read_layout
from ..training.devices import own_device
from ..workflow.specs.cells import CellSpec, IllustrateSpec, SweepSpec
from .sample import initial_noise


class PipelineSampler:
    """The components of a pipeline that generate images, with encoded prompts."""

    def __init__(
        self,
        pipeline: Any,
        layout: Layout,
        prompts: Mapping[str, np.ndarray],
        side: int,
        shown: int,
    ):
        """Images are made with `side` pixels a side, and resized to `shown`."""
        self._pipeline, self._layout, self._prompts = pipeline, layout, prompts
        self._side, self._shown, self._own = side, shown, pipeline.scheduler
        self._taken = inspect.signature(pipeline.__call__).parameters
        self._denoiser = getattr(pipeline, layout.kind.denoiser)
        self._denoiser.register_forward_pre_hook(self._count, with_kwargs=True)
        self._evaluated, self._nfe = 0, 0

    def _count(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        seen = next(value for value in (*args, *kwargs.values()) if torch.is_tensor(value))
        self._evaluated += len(seen)

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """uint8 images [len(rows), 3, S, S] of prompts `rows`, and whether all are finite."""
        prompts = {name: self._rows(name, rows) for name in self._prompts if name in self._taken}
        return self._images_of(prompts, rows, cell, cell.seed)

    def images_at(
        self, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of prompts `rows` with any trajectory; returns what `images` returns."""
        prompts = {name: self._rows(name, rows) for name in self._prompts if name in self._taken}
        return self._images_of(prompts, rows, trajectory, seed)

    def between(
        self, rows: Sequence[int], shares: Sequence[float], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of mixtures of two prompts, from the first one's noise.

        `shares` are the weights of the first prompt. Returns what `images` returns.
        """
        mixed = {}
        for name in self._prompts:
            if name in self._taken:
                first, second = self._rows(name, rows)
                if first.is_floating_point():
                    own = [share * first + (1 - share) * second for share in shares]
                else:  # a mask: every token of either
                    own = [torch.maximum(first, second)] * len(shares)
                mixed[name] = torch.stack(own)
        return self._images_of(mixed, [rows[0]] * len(shares), trajectory, seed)

    def _images_of(
        self,
        prompts: dict[str, torch.Tensor],
        rows: Sequence[int],
        trajectory: Trajectory,
        seed: int,
    ) -> tuple[np.ndarray, bool]:
        self._evaluated = self._nfe = 0  # also if the memory does not suffice
        with torch.no_grad():
            made = self._pipeline(**self._arguments(prompts, rows, trajectory, seed)).images
        self._nfe = round(self._evaluated / len(rows))
        pixels = to_uint8(made)
        small = pixels if self._side == self._shown else resized(pixels, self._shown)
        return small, bool(made.isfinite().all())

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image, counted while the last images were sampled."""
        return self._nfe

    def _arguments(
        self,
        prompts: dict[str, torch.Tensor],
        rows: Sequence[int],
        cell: Trajectory,
        seed: int,
    ) -> dict[str, Any]:
        kind, pipeline = self._layout.kind, self._pipeline
        check_setting(self._layout, cell.sampler, cell.guidance)
        given: dict[str, Any] = {
            **prompts,
            "height": self._side,
            "width": self._side,
            "guidance_scale": cell.guidance,
            "output_type": "pt",
            **kind.call,
            **self._steps(cell),
        }
        if "negative_prompt" in self._taken:
            given["negative_prompt"] = None  # some have a default, not allowed beside embeddings
        stream = Stream.SAMPLING
        if kind.takes_noise:
            side, stream = self._side // pipeline.vae_scale_factor, Stream.SAMPLING_STEPS
            noise = initial_noise(seed, rows, (self._denoiser.config.in_channels, side, side))
            # some pipelines move noise to the device, but leave it float32 beside 16-bit weights
            given["latents"] = noise.to(pipeline.device, pipeline.dtype)
        given["generator"] = list(row_generators(stream, seed, rows))
        return given

    def _rows(self, name: str, rows: Sequence[int]) -> torch.Tensor:
        own = torch.from_numpy(np.array(self._prompts[name][list(rows)])).to(self._pipeline.device)
        return own.to(self._pipeline.dtype) if own.is_floating_point() else own

    def _steps(self, cell: Trajectory) -> dict[str, Any]:
        self._pipeline.scheduler = self._own
        if cell.sampler == NATIVE:
            return self._layout.kind.native_steps(cell.steps)
        self._pipeline.scheduler, told = adopted_solver(cell, self._own, self._layout.flow)
        return told


class TooLarge:
    """An `ImageMaker` in place of a pipeline whose weights do not fit the memory."""

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """Raises torch.OutOfMemoryError."""
        raise torch.OutOfMemoryError

    def images_at(
        self, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Raises torch.OutOfMemoryError."""
        raise torch.OutOfMemoryError

    def between(
        self, rows: Sequence[int], shares: Sequence[float], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Raises torch.OutOfMemoryError."""
        raise torch.OutOfMemoryError

    def evaluations(self, cell: CellSpec) -> int:
        """Returns 0."""
        return 0


def load_pipeline(
    spec: SweepSpec | IllustrateSpec, text: Path, prompts: int
) -> tuple[PipelineSampler | TooLarge, list[str]]:
    """Load the adopted model of a sweep on its device; also returns hashes of its files.

    A model that does not fit the memory fails in each of its cells, so that other models go on.
    Raises InputError if the pipeline or the file of encoded prompts is unusable.
    """
    model = spec.pipeline
    assert model and spec.side
    names = [name for name in read_header(text) if name != "__metadata__"]
    arrays = {name: map_array(text, name) for name in names}
    if min(map(len, arrays.values()), default=0) < prompts:
        raise InputError(f"{text} has fewer than {prompts} prompts; delete it and run again")
    decides = [files_hash(model), fingerprint_of(text)]
    try:
        pipeline = load(model, text=False).to(own_device())
    except torch.OutOfMemoryError:
        return TooLarge(), decides
    return PipelineSampler(pipeline, read_layout(model), arrays, model.side, spec.side), decides
