"""Train the autoencoder on the training split, and load any autoencoder.

The network is diffusers' AutoencoderTiny with one halving for each factor 2. The loss is L1 + L2 in
pixels. A little noise on the latents makes the decoder robust to small errors of a diffusion model.
"""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, Slice, batches, first_line
from ..jobs.command import Resumable, command
from ..jobs.light_imports import light_diffusers
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import WorkDir, atomic_path, fingerprint, write_json, write_text
from ..kinds.architectures import WEIGHTS
from ..study.latents import AutoencoderNetwork
from ..training.loop import Plan, Trainer, warmup_then
from ..training.network import Network
from ..training.summary import jsonl, training_summary
from ..workflow.specs.latents import AutoencoderSpec
from .pretrained import find

with light_diffusers():
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from diffusers.utils import logging as diffusers_logging

diffusers_logging.set_verbosity_error()  # it warns of a key that AutoencoderTiny itself writes

CLASSES: dict[str, Any] = {"AutoencoderTiny": AutoencoderTiny, "AutoencoderKL": AutoencoderKL}
"""supported autoencoders by their class name in diffusers"""
DECODED = 2**15
"""latent pixels that are decoded or encoded at a time: 8 images of 512 pixels a side. At full
resolution Stable Diffusion's decoder needs a gigabyte of memory for each of them"""
LATENT_NOISE = 0.05
"""standard deviation of the training noise, divided by that of the latents"""


def build(spec: AutoencoderNetwork) -> Network:
    """An untrained autoencoder: images [B, 3, S, S] in [-1, 1] to latents [B, C, S/f, S/f]."""
    halvings = spec.downsampling.bit_length() - 1
    return CLASSES["AutoencoderTiny"](
        encoder_block_out_channels=(spec.width,) * (halvings + 1),
        decoder_block_out_channels=(spec.width,) * (halvings + 1),
        num_encoder_blocks=(1,) + (3,) * halvings,
        num_decoder_blocks=(3,) * halvings + (1,),
        latent_channels=spec.latent_channels,
    )


def load(folder_or_id: str, revision: str | None = None) -> Network:
    """A frozen autoencoder from a diffusers folder, or from a hub id that is downloaded.

    Raises InputError that names the key if there is none.
    """
    folder = find("latents.autoencoder", folder_or_id, revision, "vae")
    try:
        config: Any = AutoencoderTiny.load_config(folder, local_files_only=True)
        name = config.get("_class_name", "a model without a class name")
        if (kind := CLASSES.get(name)) is None:
            raise InputError(
                f"latents.autoencoder.pretrained: {name} is not supported "
                f"(known: {', '.join(CLASSES)})"
            )
        if config.get("shift_factor"):
            raise InputError(
                "latents.autoencoder.pretrained: an autoencoder whose latents are shifted "
                "(shift_factor) does not fit Stable Diffusion's pipeline; choose another"
            )
        model = kind.from_pretrained(folder, local_files_only=True)
        return model.eval().requires_grad_(False)
    except InputError:
        raise
    except Exception as error:  # whatever a wrong configuration or torn weights lead to
        raise InputError(
            f"latents.autoencoder.pretrained: {folder_or_id} is no autoencoder that diffusers can"
            f" load ({first_line(error)})"
        ) from None


def add_autoencoder(to: ArgumentParser, required: bool = True) -> None:
    """Add the arguments that name what `load_named` loads."""
    what = "diffusers folder or downloaded hub id"
    to.add_argument("--autoencoder", required=required, help=what)
    to.add_argument("--autoencoder-revision", help="commit of the hub id")


def load_named(options: Namespace) -> Network:
    """The autoencoder that a command is given. Raises InputError as `load`."""
    return load(options.autoencoder, options.autoencoder_revision)


def to_unit(images: np.ndarray) -> torch.Tensor:
    """uint8 images as float tensors in [-1, 1]."""
    return torch.from_numpy(np.array(images)).float().div_(127.5).sub_(1)


@torch.no_grad()
def encode(autoencoder: Network, images: np.ndarray) -> torch.Tensor:
    """Latents of uint8 images [B, 3, S, S], scaled to about unit variance; a mean for KL.

    They are float32, computed in the precision of the weights.
    """
    parts = []
    for rows in batches(len(images), max(1, 64 * DECODED // images[0, 0].size)):
        pixels = to_unit(images[rows]).to(autoencoder.device, autoencoder.dtype)
        output = autoencoder.encode(pixels)
        latents = output.latents if hasattr(output, "latents") else output.latent_dist.mode()
        parts.append(latents.float())
    return torch.cat(parts) * autoencoder.config.scaling_factor


def pixels_of(autoencoder: Network, latents: torch.Tensor) -> torch.Tensor:
    """Images [B, 3, S, S] in [0, 1] of scaled latents, which gradients reach."""
    latents = latents / autoencoder.config.scaling_factor
    parts = [
        autoencoder.decode(latents[rows]).sample.float()
        for rows in batches(len(latents), max(1, DECODED // latents[0, 0].numel()))
    ]
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)


decode = torch.no_grad()(pixels_of)
"""the same without gradients"""


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """uint8 images of images in [0, 1], rounded as in diffusers' pipelines."""
    return (images * 255).round().byte().contiguous().cpu().numpy()


def weights_hash(model: Network) -> str:
    """A hash of a model's weights, and of the latents' scale if it has one."""
    digest = hashlib.sha256(repr(getattr(model.config, "scaling_factor", None)).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


class Reconstruction:
    """The task of the training loop: reconstruct the training images, turned and mirrored."""

    def __init__(self, spec: AutoencoderSpec, images: np.ndarray):
        torch.manual_seed(spec.seed)
        self.module = build(spec.autoencoder).to(memory_format=torch.channels_last)
        self.count = len(images)
        self._images, self._seed = images, spec.seed
        self._factor = spec.autoencoder.downsampling

    def losses(
        self, module: Network, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """L1 + L2 of each image; shape [len(indices)]."""
        images, noises = [], []
        side = self._images.shape[-1] // self._factor
        latent_shape = (self.module.config.latent_channels, side, side)
        generators = row_generators(Stream.AUTOENCODER, self._seed, positions)
        for index, generator in zip(indices, generators, strict=True):
            turn, mirror = torch.randint(4, (2,), generator=generator).tolist()
            image = np.rot90(self._images[index], turn, axes=(1, 2))
            images.append(image[:, :, ::-1] if mirror % 2 else image)
            noises.append(torch.randn(latent_shape, generator=generator))
        target = to_unit(np.stack(images)).to(device, memory_format=torch.channels_last)
        latents = module.encoder(target)
        noise = torch.stack(noises).to(device) * latents.detach().std() * LATENT_NOISE
        error = module.decoder(latents + noise) - target
        return error.abs().mean(dim=(1, 2, 3)) + error.square().mean(dim=(1, 2, 3))


def psnr(images: np.ndarray, others: np.ndarray, least: float = 255**2 / 1e10) -> np.ndarray:
    """Peak signal-to-noise ratio [N] of uint8 images [N, 3, S, S], in dB; 100 where they agree.

    10 log10(255^2 / MSE), of the mean over pixels and colours, which counts as at least `least`.
    """
    error = ((images.astype(np.float64) - others) ** 2).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(error, least))


def reconstruct(autoencoder: Network, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Images through the autoencoder and back."""
    parts = [
        to_uint8(decode(autoencoder, encode(autoencoder, images[rows])))
        for rows in batches(len(images), batch)
    ]
    return np.concatenate(parts)


def latent_scale(autoencoder: Network, images: np.ndarray) -> float:
    """One over the standard deviation of the latents of some images (Rombach et al. 2022, G)."""
    parts = [encode(autoencoder, images[rows]) for rows in batches(min(len(images), 1024), 64)]
    return 1 / torch.cat(parts).std().item()


def save_model(model: Network, folder: Path, weights_name: str) -> None:
    """Save a diffusers model's two files, each atomically, the configuration last."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / weights_name) as path:
        state = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
        save_file(state, path, metadata={"format": "pt"})
    write_text(folder / "config.json", model.to_json_string())


@command
def main(
    spec: AutoencoderSpec,
    train: Annotated[Path, "images to train on"],
    test: Annotated[Path, "held-out images, for the PSNR"],
    out: Annotated[Path, "folder of the autoencoder"],
    job: Resumable,
) -> None:
    settings = spec.autoencoder
    time_slice = Slice(job.max_seconds)
    task = Reconstruction(spec, map_array(train, "images"))
    plan = Plan(
        images=settings.images,
        batch=settings.batch,
        lr=warmup_then("cosine", settings.lr, warmup=0.1),
        lr_key="latents.autoencoder.lr",
        weight_decay=1e-4,
        clip_norm=1.0,
        ema_images=100 * settings.batch,
        seed=spec.seed,
    )
    with WorkDir(job.work_dir, fingerprint(spec, fingerprint_of(train))) as work:
        trainer = Trainer(task, plan, work, "autoencoder")
        if trainer.accelerator.num_processes > 1:
            raise InputError("the autoencoder is trained in one process; start it with python")
        trainer.run(time_slice)
        model = trainer.accelerator.unwrap_model(trainer.module)
        model.load_state_dict(trainer.averaged)
        model.eval().requires_grad_(False)
        scale = latent_scale(model, map_array(train, "images"))
        model.register_to_config(scaling_factor=scale)
        unseen = np.array(map_array(test, "images"))
        held_out = float(psnr(unseen, reconstruct(model, unseen), least=1e-9).mean())
        save_model(model, out, WEIGHTS)
        write_text(out / "metrics.jsonl", jsonl(trainer.state.log))
        summary = training_summary(
            trainer,
            psnr_test=round(held_out, 3),
            weights=weights_hash(model),
            spec=spec.model_dump(),
        )
        write_json(out / "summary.json", summary)
    print(f"autoencoder: held-out PSNR {held_out:.2f} dB")
