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

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from ..diffusion.samplers import make_scheduler, sample_latents, sampler_levels
from ..diffusion.stitched import Stitched
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError
from ..jobs.seeds import Stream, row_generators
from ..latents.autoencoder import decode, load, to_uint8, weights_hash
from ..models.architectures.unet import load_unet
from ..study.diffusion import Diffusion
from ..study.sampling import FixedSetting
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..workflow.specs.cells import CellSpec


def initial_noise(seed: int, rows: Iterable[int], shape: tuple[int, ...]) -> torch.Tensor:
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
        condition: np.ndarray | None = None,
    ):
        self.unet = unet.to(memory_format=torch.channels_last)  # up to a third faster
        self.autoencoder = autoencoder.to(memory_format=torch.channels_last)
        self.diffusion = diffusion
        self._text = text
        self._empty = torch.from_numpy(np.array(empty)).to(unet.device).float()
        self._condition = condition

    def text(self, rows: Sequence[int]) -> torch.Tensor:
        """Embeddings [len(rows), L, D] of prompts."""
        return torch.from_numpy(np.array(self._text[list(rows)])).to(self.unet.device).float()

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """uint8 images [len(rows), 3, S, S] of prompts `rows`, and whether all are finite."""
        return self.images_of(self.text(rows), rows, cell, cell.seed)

    def images_of(
        self, text: torch.Tensor, rows: Sequence[int], setting: CellSpec | FixedSetting, seed: int
    ) -> tuple[np.ndarray, bool]:
        """Images of embeddings [len(rows), L, D], each from the noise of its row; as `images`."""
        config = self.unet.config
        shape = (config.out_channels, config.sample_size, config.sample_size)
        condition = None
        if self._condition is not None:
            low = torch.from_numpy(np.array(self._condition[list(rows)]))
            condition = low.to(self.unet.device).float()
        latents = sample_latents(
            self.unet,
            make_scheduler(
                setting.sampler, self.diffusion, getattr(setting, "teacher_steps", None)
            ),
            initial_noise(seed, rows, shape).to(self.unet.device),
            text,
            self._empty,
            setting.steps,
            setting.guidance,
            list(row_generators(Stream.SAMPLING_STEPS, seed, rows)),
            condition,
        )
        pixels = decode(self.autoencoder, latents)
        finite = latents.isfinite().all() and pixels.isfinite().all()
        return to_uint8(pixels), bool(finite)


def stitched(samplers: Sequence[Sampler], cell: CellSpec) -> Sampler:
    """What samples a cell: the one model, or several one after the other as its allocation says.

    Raises InputError if the cell allocates its steps to another number of models.
    """
    if len(samplers) != len(cell.allocation or [cell.steps]):
        raise InputError(f"--then: {cell.name} is not a cell of {len(samplers)} models")
    if cell.allocation is None:
        return samplers[0]
    result = copy(samplers[0])
    timesteps = sampler_levels(cell.sampler, result.diffusion, cell.steps)
    result.unet = Stitched([own.unet for own in samplers], cell.allocation, timesteps)
    return result


def add_sampler(arguments: ArgumentParser) -> None:
    """Add the arguments that name what `load_sampler` loads, and the GPUs for it."""
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument(
        "--autoencoder", required=True, help="diffusers folder or downloaded hub id"
    )
    arguments.add_argument("--autoencoder-revision", help="commit of the hub id")
    arguments.add_argument("--text", required=True, type=Path, help="embeddings of the prompts")
    arguments.add_argument(
        "--condition", type=Path, help="latents of enlarged images, which take the prompts' place"
    )
    arguments.add_argument("--gpus", type=int, default=0, help="stop if torch sees fewer GPUs")


def load_sampler(
    options: Namespace, diffusion: Diffusion, prompts: int, trained: float | None = None
) -> tuple[Sampler, list[str]]:
    """What a command's `add_sampler` names, on its device; and hashes of what decides its images.

    With `trained` it is the model as it was at that kept fraction of its training.
    Raises InputError if it sees too few GPUs, a file is unusable, the embeddings are not the
    model's, or these or what conditions it fewer than `prompts`.
    """
    check_gpus(options.gpus)
    device = own_device()
    unet = load_unet(options.model, trained).to(device)
    autoencoder = load(options.autoencoder, options.autoencoder_revision).to(device)
    decides = [weights_hash(unet), weights_hash(autoencoder), fingerprint_of(options.text)]
    text, empty = (map_array(options.text, name) for name in ("text", "empty"))
    condition, width = None, text.shape[-1]
    if options.condition:
        condition = map_array(options.condition, "latents")
        decides.append(fingerprint_of(options.condition))
        text = np.broadcast_to(empty, (len(condition), *empty.shape))
    wanted = unet.config.cross_attention_dim
    if width != wanted:
        raise InputError(
            f"{options.text}: embeddings are {width} wide, the model attends to {wanted}"
        )
    if len(text) < prompts:
        source = options.condition or options.text
        raise InputError(f"{source} has {len(text)} prompts, fewer than {prompts}")
    if unet.config.in_channels != unet.config.out_channels * (1 if condition is None else 2):
        wrong = "is needed by" if condition is None else "means nothing to"
        raise InputError(f"--condition: {wrong} {options.model}")
    unet = in_precision(unet, precision())
    return Sampler(unet, autoencoder, diffusion, text, empty, condition), decides
