"""From a trained model and prompts to images, each from the noise of its own.

Image i starts from its own seeded noise, the same for every model, sampler, step count, guidance
scale and batch size. The steps of a trajectory may be shared by several models, one after the other
(T-Stitch, Pan et al., https://arxiv.org/abs/2402.14167).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ..diffusion.guidance import is_embedded
from ..diffusion.sampling import (
    AfterStep,
    Trajectory,
    denoise,
    make_solver,
    network_evaluations,
    sample_latents,
)
from ..diffusion.stitched import Stitched
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, add_gpus
from ..jobs.seeds import Stream, row_generators
from ..latents.autoencoder import (
    add_autoencoder,
    decode,
    load_named,
    pixels_of,
    to_uint8,
    weights_hash,
)
from ..models import denoiser
from ..models.denoiser import Denoiser
from ..study.diffusion import Diffusion
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..training.network import Network
from ..workflow.specs.cells import CellSpec


def initial_noise(
    seed: int, rows: Iterable[int], shape: tuple[int, ...], candidate: int = 0
) -> torch.Tensor:
    """Unit noise [len(rows), *shape]; a row depends on the seed, its number and candidate only."""
    generators = row_generators(Stream.SAMPLING, seed, rows, candidate)
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


class ImageMaker(Protocol):
    """Whatever a sweep can sample: it makes the images of a cell, each from its row's own noise."""

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """uint8 images [len(rows), 3, S, S] of prompts `rows`, and whether all are finite.

        Raises InputError for a cell that it cannot sample.
        """
        ...

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image."""
        ...


class Illustrator(Protocol):
    """Whatever makes the images that only figures show."""

    def images_at(
        self, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of prompts `rows` that no cell has, as `ImageMaker.images` returns them."""
        ...

    def between(
        self, rows: Sequence[int], shares: Sequence[float], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of two prompts, mixed by shares of the first, from its noise."""
        ...


class LatentSampler:
    """A model of latents, with what turns these into images: an `ImageMaker`."""

    def __init__(
        self,
        network: Denoiser,
        autoencoder: Network,
        diffusion: Diffusion,
        text: np.ndarray,
        empty: np.ndarray,
        condition: np.ndarray | None = None,
    ):
        self.network: Denoiser = network.to(
            memory_format=torch.channels_last
        )  # up to a third faster
        self.autoencoder = autoencoder.to(memory_format=torch.channels_last)
        self.diffusion = diffusion
        self._text = text
        self._empty = torch.from_numpy(np.array(empty)).to(network.device).float()
        self._condition = condition

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image's latents."""
        config = self.network.config
        return config.out_channels, config.sample_size, config.sample_size

    def text(self, rows: Sequence[int] | np.ndarray) -> torch.Tensor:
        """Embeddings [len(rows), L, D] of prompts."""
        return torch.from_numpy(np.array(self._text[list(rows)])).to(self.network.device).float()

    def noise(self, rows: Iterable[int], seed: int) -> torch.Tensor:
        """The unit noise [len(rows), C, h, w] of prompts."""
        return initial_noise(seed, rows, self.latent_shape).to(self.network.device)

    def one_step(
        self, noise: torch.Tensor, text: torch.Tensor, trajectory: Trajectory
    ) -> torch.Tensor:
        """Images [B, 3, S, S] in [0, 1] by the one step of a student; gradients reach the noise."""
        solver = make_solver(trajectory, self.diffusion, self.network.device)
        latents = denoise(self.network, solver, noise, text, self._empty, trajectory.guidance, [])
        return pixels_of(self.autoencoder, latents)

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """Images of prompts, and whether all are finite."""
        if cell.allocation:
            raise InputError(f"--then: {cell.name} is not a cell of 1 models")
        if cell.noise:
            raise InputError(f"--noise: {cell.name} needs its distribution")
        return self.images_of(self.text(rows), rows, cell, cell.seed)

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image."""
        return network_evaluations(cell.steps, cell.guidance, is_embedded(self.network))

    def images_at(
        self, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of prompts `rows` that no cell has; as `images`."""
        return self.images_of(self.text(rows), rows, trajectory, seed)

    def between(
        self, rows: Sequence[int], shares: Sequence[float], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of two prompts, mixed by shares of the first, from its noise; as `images`."""
        first, second = self.text(rows)
        text = torch.stack([share * first + (1 - share) * second for share in shares])
        return self.images_of(text, [rows[0]] * len(shares), trajectory, seed)

    def images_of(
        self, text: torch.Tensor, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of embeddings [len(rows), L, D], each from the noise of its row; as `images`."""
        return self.decoded(self.latents_of(text, rows, trajectory, seed))

    def latents_of(
        self, text: torch.Tensor, rows: Sequence[int], trajectory: Trajectory, seed: int
    ) -> torch.Tensor:
        """Latents [len(rows), C, h, w] of the same."""
        generators = list(row_generators(Stream.SAMPLING_STEPS, seed, rows))
        return self._latents(self.noise(rows, seed), generators, text, rows, trajectory)

    def images_from(
        self,
        noise: torch.Tensor,
        generators: list[torch.Generator],
        text: torch.Tensor,
        rows: Sequence[int],
        trajectory: Trajectory,
        after_step: AfterStep | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images of embeddings [B, L, D] from noise [B, ...], and whether each is finite, [B].

        Noise at steps is from the image's generator. `after_step` is that of `sample_latents`.
        """
        latents = self._latents(noise, generators, text, rows, trajectory, after_step)
        return self._decoded_each(latents)

    def _latents(
        self,
        noise: torch.Tensor,
        generators: list[torch.Generator],
        text: torch.Tensor,
        rows: Sequence[int],
        trajectory: Trajectory,
        after_step: AfterStep | None = None,
    ) -> torch.Tensor:
        condition = None
        if self._condition is not None:
            low = torch.from_numpy(np.array(self._condition[list(rows)]))
            condition = low.to(self.network.device).float()
        return sample_latents(
            self.network,
            make_solver(trajectory, self.diffusion, self.network.device),
            noise.to(self.network.device),
            text,
            self._empty,
            trajectory.guidance,
            generators,
            condition,
            after_step,
        )

    def decoded(self, latents: torch.Tensor) -> tuple[np.ndarray, bool]:
        """Images of latents, and whether all are finite."""
        images, finite = self._decoded_each(latents)
        return images, bool(finite.all())

    def _decoded_each(self, latents: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        pixels = decode(self.autoencoder, latents)
        finite = [own.flatten(1).isfinite().all(dim=1) for own in (latents, pixels)]
        return to_uint8(pixels), (finite[0] & finite[1]).cpu().numpy()


class StitchedSampler:
    """Models that take over from one another, as a cell allocates its steps: an `ImageMaker`."""

    def __init__(self, samplers: Sequence[LatentSampler]):
        self._samplers = samplers

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """Images of prompts, and whether all are finite."""
        allocation = cell.allocation or [cell.steps]
        if len(allocation) != len(self._samplers):
            raise InputError(f"--then: {cell.name} is not a cell of {len(self._samplers)} models")
        whole = copy(self._samplers[0])
        timesteps = make_solver(cell, whole.diffusion).timesteps
        networks = [own.network for own in self._samplers]
        whole.network = Stitched(networks, allocation, timesteps)
        return whole.images_of(whole.text(rows), rows, cell, cell.seed)

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image."""
        return self._samplers[0].evaluations(cell)


def add_sampler(arguments: ArgumentParser, required: bool = True) -> None:
    """Add the arguments that name what `load_sampler` loads, and the GPUs for it."""
    arguments.add_argument("--model", required=required, type=Path, help="folder of the model")
    add_autoencoder(arguments, required)
    arguments.add_argument("--text", required=True, type=Path, help="embeddings of the prompts")
    arguments.add_argument(
        "--condition", type=Path, help="latents of enlarged images, which take the prompts' place"
    )
    add_gpus(arguments)


def load_sampler(
    options: Namespace, diffusion: Diffusion, prompts: int, trained: float | None = None
) -> tuple[LatentSampler, list[str]]:
    """What a command's `add_sampler` names, on its device; and hashes of what decides its images.

    With `trained` it is the model as it was at that kept fraction of its training.
    Raises InputError if it sees too few GPUs, a file is unusable, the embeddings are not the
    model's, or these or what conditions it fewer than `prompts`.
    """
    check_gpus(options.gpus)
    device = own_device()
    network = denoiser.load(options.model, trained).to(device)
    autoencoder = load_named(options).to(device)
    decides = [weights_hash(network), weights_hash(autoencoder), fingerprint_of(options.text)]
    text, empty = (map_array(options.text, name) for name in ("text", "empty"))
    condition, width = None, text.shape[-1]
    if options.condition:
        condition = map_array(options.condition, "latents")
        decides.append(fingerprint_of(options.condition))
        text = np.broadcast_to(empty, (len(condition), *empty.shape))
    wanted = network.config.cross_attention_dim
    if width != wanted:
        raise InputError(
            f"{options.text}: embeddings are {width} wide, the model attends to {wanted}"
        )
    if len(text) < prompts:
        source = options.condition or options.text
        raise InputError(f"{source} has {len(text)} prompts, fewer than {prompts}")
    if network.config.in_channels != network.config.out_channels * (1 if condition is None else 2):
        wrong = "is needed by" if condition is None else "means nothing to"
        raise InputError(f"--condition: {wrong} {options.model}")
    network = in_precision(network, precision())
    return LatentSampler(network, autoencoder, diffusion, text, empty, condition), decides


def load_image_maker(
    options: Namespace, diffusion: Diffusion, prompts: int, trained: float | None = None
) -> tuple[ImageMaker, list[str]]:
    """As `load_sampler`, with the models that `--then` names one after the other."""
    folders = (options.model, *options.then)
    named = [Namespace(**vars(options) | {"model": folder}) for folder in folders]
    samplers, hashes = zip(
        *(load_sampler(own, diffusion, prompts, trained) for own in named), strict=True
    )
    maker = StitchedSampler(samplers) if options.then else samplers[0]
    return maker, [digest for own in hashes for digest in own]
